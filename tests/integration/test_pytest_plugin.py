"""The fixtures for other people's tests: a pytest of their own, with the real client, run as they would run it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ashare_local import PROJECT

CONFTEST = """
from datetime import date

import pytest
from ashare_emulator.generated import GeneratedMarket

pytest_plugins = ["ashare_emulator.pytest_plugin"]


@pytest.fixture(scope="session")
def baostock_market():
    return GeneratedMarket(start=date(2025, 6, 2), end=date(2025, 6, 30), stocks=20, seed=4)
"""

TESTS = """
from datetime import datetime, timedelta, timezone

import baostock
import pytest
from ashare_emulator.faults import fault
from baostock.common import contants, context

PUBLIC = contants.BAOSTOCK_SERVER_IP, contants.BAOSTOCK_VIP_SERVER_IP, contants.BAOSTOCK_SERVER_PORT


def trade_dates(first, last):
    found = baostock.query_trade_dates(first, last)
    rows = []
    while found.error_code == "0" and found.next():
        rows.append(found.get_row_data())
    return found.error_code, [day for day, is_open in rows if is_open == "1"]


def test_the_market_is_the_projects_own(baostock_emulator):
    baostock.login()
    found = baostock.query_daily_history_k_AStock("2025-06-03")
    assert len(found.data) > 10
    assert baostock.query_daily_history_k_AStock("2025-05-30").data == []


def test_who_did_not_log_out_does_not_disturb_the_next_test(baostock_requests):
    assert baostock_requests == []
    assert not hasattr(context, "default_socket")
    assert trade_dates("2025-06-02", "2025-06-06")[0] != "0"
    assert baostock_requests == [], "nothing was sent"


def test_a_key_leads_to_the_emulator_too(baostock_emulator):
    baostock.set_API_key("bs-" + "A" * 29 + "g")
    assert baostock.login().error_code == "0"
    assert baostock_emulator.requests[0].params == {"user_id": "anonymous", "api_key": "yes"}


def test_a_fault_strikes_once_and_is_in_the_log(baostock_emulator, baostock_requests):
    baostock_emulator.add_fault(fault("query_trade_dates", "error", code=10002007))
    baostock.login()
    assert trade_dates("2025-06-02", "2025-06-06")[0] == "10002007"
    assert trade_dates("2025-05-31", "2025-06-03") == ("0", ["2025-06-03"]), "the Dragon Boat Festival"
    assert [request.faults for request in baostock_requests] == [[], ["error"], []]


def test_a_clock_of_the_tests_own(start_baostock_emulator):
    evening = datetime(2025, 6, 10, 16, tzinfo=timezone(timedelta(hours=8)))
    start_baostock_emulator(now=lambda: evening)
    baostock.login()
    assert baostock.query_daily_history_k_AStock("2025-06-10").data != []
    assert baostock.query_daily_history_k_AStock("2025-06-11").data == []


def test_without_a_fixture_the_client_is_as_it_was():
    assert PUBLIC == ("public-api.baostock.com", "vip-api.baostock.com", 10030)
    assert (contants.BAOSTOCK_SERVER_IP, contants.BAOSTOCK_VIP_SERVER_IP, contants.BAOSTOCK_SERVER_PORT) == PUBLIC
    assert not any(hasattr(context, name) for name in ("default_socket", "user_id", "apiKey"))
"""


def run_pytest(directory: Path) -> subprocess.CompletedProcess[str]:
    """A project of somebody else's, which has the emulator on its path and none of our configuration."""
    (directory / "pytest.ini").write_text("[pytest]\n")
    environment = {**os.environ, "PYTHONPATH": str(PROJECT / "include")}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", "--timeout=60"]
    return subprocess.run(
        command, cwd=directory, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def test_the_real_client_reaches_the_emulator_and_nothing_is_left_of_a_test(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_others.py").write_text(TESTS)
    done = run_pytest(tmp_path)
    assert done.returncode == 0, done.stdout
    assert "6 passed" in done.stdout


def test_the_example_of_the_documentation_runs_as_it_stands(tmp_path: Path) -> None:
    text = (PROJECT / "docs" / "testing.md").read_text(encoding="utf-8")
    files = dict(re.findall(r"```python\n# (\w+\.py)\n(.*?)```", text, re.DOTALL))
    assert set(files) == {"conftest.py", "test_prices.py"}
    for name, content in files.items():
        (tmp_path / name).write_text(content, encoding="utf-8")
    done = run_pytest(tmp_path)
    assert done.returncode == 0, done.stdout
    assert "2 passed" in done.stdout


def test_a_project_that_did_not_ask_for_the_fixtures_has_none(tmp_path: Path) -> None:
    (tmp_path / "test_others.py").write_text("def test_it(baostock_emulator): pass\n")
    done = run_pytest(tmp_path)
    assert done.returncode == pytest.ExitCode.TESTS_FAILED
    assert "fixture 'baostock_emulator' not found" in done.stdout
