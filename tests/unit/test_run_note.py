"""What a task hands over becomes its run's note, once Airflow has taken it; nothing else is looked at."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from ashare_airflow import run_note

XCOM = "/execution/xcoms/ashare_history/manual__2026-11-25T14%3A44%3A20/plan_batches/run_note"


@pytest.fixture
def notes(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, bytes]]:
    written: list[tuple[str, str, bytes]] = []
    monkeypatch.setattr(run_note, "_write", lambda *note: written.append(note))
    return written


def ask(method: str, path: str, status: int = 201) -> httpx.Response:
    async def take(request: Request) -> PlainTextResponse:
        return PlainTextResponse((await request.body()).decode(), status)

    app = run_note.RunNotes(Starlette(routes=[Route("/{path:path}", take, methods=["POST", "GET"])]))

    async def send() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://airflow") as client:
            return await client.request(method, path, json="a plan")

    return asyncio.run(send())


def test_the_note_is_written_and_airflow_has_the_body_too(notes: list[Any]) -> None:
    assert ask("POST", XCOM).text == '"a plan"'
    assert notes == [("ashare_history", "manual__2026-11-25T14:44:20", b'"a plan"')]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", XCOM, 401),
        ("GET", XCOM, 200),
        ("POST", XCOM.replace("run_note", "return_value"), 201),
        ("POST", XCOM.replace("ashare_history", "others"), 201),
        ("POST", XCOM.replace("/execution/", "/api/v2/"), 201),
    ],
)
def test_nothing_else_is_a_note(notes: list[Any], method: str, path: str, status: int) -> None:
    assert ask(method, path, status).status_code == status
    assert notes == []
