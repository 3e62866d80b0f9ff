"""A whole Airflow on an embedded PostgreSQL, with an emulated Baostock in this process to look into."""

from __future__ import annotations

import json
import os
import shutil
import socket
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import psycopg
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from ashare.settings import POOL, POOL_SLOTS
from ashare_emulator.generated import GeneratedMarket
from ashare_emulator.server import Emulator
from ashare_local.stack import Stack
from ashare_local.stack_connections import baostock_json
from tests.backfill_command import BackfillCommand, Said
from tests.listener import Listener


# scope="package": an idle Airflow would take a tenth of the machine from the tests that come after these.
@pytest.fixture(scope="package")
def big_market() -> GeneratedMarket:
    """5,200 stocks in September and October 2025, with the National Day holiday from 1 to 8 October."""
    return GeneratedMarket(start=date(2025, 9, 1), end=date(2025, 10, 31))


@pytest.fixture(scope="package")
def source(big_market: GeneratedMarket) -> Iterator[Emulator]:
    with Emulator(big_market) as server:
        yield server


@pytest.fixture(scope="package")
def listener() -> Iterator[Listener]:
    """Where the stack's alerts arrive."""
    with Listener() as opened:
        yield opened


@pytest.fixture(scope="package")
def metrics() -> Iterator[socket.socket]:
    """Where the stack's metrics arrive, as StatsD's datagrams."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_000_000)
        receiver.bind(("127.0.0.1", 0))
        receiver.setblocking(False)
        yield receiver


@pytest.fixture(scope="package")
def lake(own_directory: Path) -> Path:
    """The lake of the stack."""
    return own_directory / "lake"


@pytest.fixture(scope="package")
def stack(
    own_directory: Path, source: Emulator, listener: Listener, metrics: socket.socket, lake: Path
) -> Iterator[Stack]:
    """Airflow, whose retries come at once: what fails for good is seen to fail."""
    environment = dict(os.environ) | {
        "AIRFLOW_CONN_BAOSTOCK": baostock_json("127.0.0.1", source.port),
        "AIRFLOW_CONN_ASHARE_ALERTS": json.dumps({"conn_type": "generic", "password": listener.address}),
        "ASHARE_DEADLINE": "23:59",
        "ASHARE_FIRST_DATE": "2025-09-01",  # the few dates of the tests are a year old
        "AIRFLOW__METRICS__STATSD_ON": "True",
        "AIRFLOW__METRICS__STATSD_PORT": str(metrics.getsockname()[1]),
        "AIRFLOW__METRICS__METRICS_ALLOW_LIST": "ashare",
        "ASHARE_LAKE": str(lake),
        "ASHARE_RETRY_SECONDS": "1",
        "ASHARE_RETRIES": "1",
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "3600",  # nobody changes a DAG file
    }
    environment.pop("AIRFLOW_CONN_ASHARE_POSTGRES", None)
    options: dict[str, Any] = {"durable": False, "scheduled": False, "users": {"reader": "viewer"}}
    with Stack(own_directory / "stack", environment=environment, **options) as running:
        yield running


Cli = Callable[..., Said]


@pytest.fixture(scope="package")
def backfill(stack: Stack) -> Iterator[Cli]:
    """Run ``airflow dags backfill`` to its end as a person would, and return its exit code and output."""
    command = BackfillCommand(stack.env | {"COLUMNS": "160"})
    try:
        yield command.run
    finally:
        command.stop()


Query = Callable[..., list[tuple[Any, ...]]]


@pytest.fixture(scope="package")
def query(stack: Stack) -> Query:
    """Ask the ``ashare`` database; what has no result gives an empty list."""

    def ask(text: str, *values: object) -> list[tuple[Any, ...]]:
        with stack.ashare_connection() as connection:
            cursor: psycopg.Cursor[Any] = connection.execute(text, values)
            return cursor.fetchall() if cursor.description else []

    return ask


Api = Callable[..., Any]


@pytest.fixture(scope="package")
def api(stack: Stack) -> Api:
    """Call Airflow's REST API as the user ``admin``."""

    def call(method: str, path: str, body: object = None, token: str | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{stack.port}{path}", data=data, method=method)
        request.add_header("Content-Type", "application/json")
        if token:
            request.add_header("Authorization", f"Bearer {token}")
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as reply:
            return json.loads(reply.read() or "null")

    token = call("POST", "/auth/token", {"username": "admin", "password": stack.password})["access_token"]
    return lambda method, path, body=None: call(method, path, body, token)


@contextmanager
def without_pool(api: Api) -> Iterator[None]:
    """The pool is deleted, and made again at the end of the block."""
    api("DELETE", f"/api/v2/pools/{POOL}")
    try:
        yield
    finally:
        api("POST", "/api/v2/pools", {"name": POOL, "slots": POOL_SLOTS})


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
QUIET = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    assert CHROMIUM, "these tests need chromium: apt-get install chromium"
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        yield launched
        launched.close()


def sign_in(browser: Browser, stack: Stack, time_zone: str, user: str = "admin") -> Page:
    """A page of Airflow's UI in a context of its own, after its sign-in form."""
    page = browser.new_context(viewport={"width": 1280, "height": 900}, timezone_id=time_zone).new_page()
    page.goto(stack.url)
    page.fill("input[name=username]", user)
    page.fill("input[name=password]", stack.password)
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: "login" not in url)
    return page
