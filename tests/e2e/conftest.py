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
from playwright.sync_api import Browser, Page, StorageState, sync_playwright
from psycopg.types.json import Jsonb

from ashare.settings import POOL, POOL_SLOTS
from ashare_emulator.faults import fault
from ashare_emulator.generated import GeneratedMarket
from ashare_emulator.server import Emulator
from ashare_local.stack import Stack
from ashare_local.stack_connections import baostock_json
from tests.backfill_command import BackfillCommand, Said
from tests.e2e.page import ALONE, BATCH_ERROR, HURT, REASON, Visit, inner, ready, watch
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


# ---------------------------------------------------------------------- the status page


@pytest.fixture(scope="module")
def signed_in(browser: Browser, stack: Stack) -> dict[str, StorageState]:
    """What a browser keeps of a sign-in, by user."""
    kept = {}
    for user in ("admin", "reader"):
        context = sign_in(browser, stack, "Asia/Shanghai", user).context
        kept[user] = context.storage_state()
        context.close()
    return kept


@pytest.fixture
def visit(browser: Browser, stack: Stack, signed_in: dict[str, StorageState]) -> Iterator[Visit]:
    """Open an address in a context of its own, New York's to prove that the page shows Beijing's time."""
    opened = []

    def go(path: str = ALONE, user: str = "admin", *, theme: str = "", language: str = "", **options: Any) -> Page:
        options = {"viewport": {"width": 1280, "height": 900}, "timezone_id": "America/New_York"} | options
        context = browser.new_context(storage_state=signed_in[user], **options)
        opened.append(context)
        watch(context)
        for name, value in (("theme", theme), ("i18nextLng", language)):
            if value:
                context.add_init_script(f"localStorage.setItem('{name}', '{value}')")
        page = context.new_page()
        page.goto(stack.url + path)
        ready(page if path.startswith(ALONE) else inner(page))
        return page

    yield go
    for context in opened:
        context.close()


@pytest.fixture
def slow_source(source: Emulator) -> Iterator[None]:
    """A second for each market: a sync that lasts long enough to be watched."""
    source.add_fault(fault("query_daily_history_k_AStock", "delay", times=0, seconds=1))
    yield
    source.clear_faults()


@pytest.fixture(scope="module")
def missing(query: Query, stack: Stack) -> Iterator[list[str]]:
    """Two stocks that ``HURT`` misses, the first with an ex-date; the date has failed, and has a revision."""
    codes = [
        code
        for (code,) in query(
            "SELECT b.code FROM ashare.daily_bar b JOIN ashare.security s USING (code) "
            "WHERE b.trade_date = %s AND s.kind = 'stock' AND b.is_trading ORDER BY "
            "(SELECT max(back_factor) FROM ashare.adjust_factor f WHERE f.code = b.code) DESC NULLS LAST, 1 LIMIT 2",
            HURT,
        )
    ]
    tables = {
        "daily_bar": "trade_date = %s AND code = ANY (%s)",
        "counted_partition": "partition = %s OR dataset = ANY (%s)",
        "batch": "trade_date = %s OR label = ANY (%s)",
    }
    kept = {name: query(f"SELECT * FROM ashare.{name} WHERE {where}", HURT, codes) for name, where in tables.items()}
    query("DELETE FROM ashare.daily_bar WHERE trade_date = %s AND code = ANY (%s)", HURT, codes)
    query(
        "UPDATE ashare.counted_partition SET rows = rows - 2, missing = 2, problem = %s "
        "WHERE partition = %s AND dataset = 'stock_bar'",
        REASON,
        HURT,
    )
    query(
        "UPDATE ashare.batch SET status = 'failed', error = %s WHERE trade_date = %s AND kind = 'stock'",
        BATCH_ERROR,
        HURT,
    )
    query(
        "INSERT INTO ashare.bar_revision (trade_date, code, old, new) VALUES (%s, 'sh.600000', %s, %s)",
        HURT,
        Jsonb({"close": "10.2500", "volume": 1000, "turn": None}),
        Jsonb({"close": "10.2700", "volume": 1000, "turn": "0.5"}),
    )
    yield codes
    query("DELETE FROM ashare.bar_revision WHERE trade_date = %s", HURT)
    for name, where in tables.items():
        query(f"DELETE FROM ashare.{name} WHERE {where}", HURT, codes)
        for row in kept[name]:
            query(f"INSERT INTO ashare.{name} VALUES ({', '.join(['%s'] * len(row))})", *row)
