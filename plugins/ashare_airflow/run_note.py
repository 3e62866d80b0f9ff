"""A run's note, written by one of its tasks: Airflow has no call for that.

A task hands it over as an XCom of the key ``NOTE``, which comes through the API server; there it becomes the note.
"""

from __future__ import annotations

import json
import logging
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from ashare_airflow.defaults import NOTE

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger(__name__)

_xcom = re.compile(rf"/execution/xcoms/(ashare_\w+)/([^/]+)/\w+/{NOTE}").search
MOST_BYTES = 16 * 1024


class RunNotes:
    """ASGI middleware: notes what a task of this package says of its run, once Airflow has taken it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        found = _xcom(scope.get("path", "")) if scope["type"] == "http" and scope["method"] == "POST" else None
        if found is None:
            await self._app(scope, receive, send)
            return
        body = b""
        taken = False

        async def read() -> Message:
            nonlocal body
            message = await receive()
            body += message.get("body", b"")[: MOST_BYTES - len(body)]
            return message

        async def answer(message: Message) -> None:
            nonlocal taken
            taken = taken or message.get("status", 500) < 300
            await send(message)

        await self._app(scope, read, answer)
        if taken:
            import asyncio

            await asyncio.to_thread(_write, found[1], unquote(found[2]), body)


def _write(dag_id: str, run_id: str, body: bytes) -> None:
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session
    from sqlalchemy import select
    from sqlalchemy.exc import SQLAlchemyError

    try:
        text: Any = json.loads(body)
        text = json.loads(text) if isinstance(text, str) and text.startswith('"') else text
        with create_session() as session:
            run = session.scalar(select(DagRun).where(DagRun.dag_id == dag_id, DagRun.run_id == run_id))
            if run is not None:
                run.note = str(text)[:1000]
    except (ValueError, SQLAlchemyError) as error:  # the plan is in the log, too
        log.warning("The note of %s %s could not be written (%s).", dag_id, run_id, type(error).__name__)


RUN_NOTES = {"middleware": RunNotes, "name": "A-share run notes"}
