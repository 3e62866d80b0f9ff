"""The doctor beside a running Airflow: one screen, and an exit code for a monitor."""

from __future__ import annotations

import subprocess
import sys

from include.ashare.emulator.server import Emulator
from include.local.stack import PROJECT, Stack
from tests.e2e.conftest import Cli


def doctor(stack: Stack) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "include.ashare.doctor"],
        env=stack.env,
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_one_screen_and_two_requests(stack: Stack, source: Emulator, airflow: Cli) -> None:
    before = source.count()
    seen = doctor(stack)
    assert source.count() - before <= 2
    lines = seen.stdout.splitlines()
    assert 7 <= len(lines) <= 24, seen.stdout
    assert all(line[:4] in ("ok  ", "warn", "BAD ") for line in lines), seen.stdout
    assert any(line.startswith("ok    pool         baostock: ") for line in lines), seen.stdout
    assert any(line.startswith("ok    source       Baostock at 127.0.0.1:") for line in lines), seen.stdout
    assert seen.returncode == int(any(line.startswith("BAD") for line in lines))
    assert stack.password not in seen.stdout + seen.stderr

    assert airflow("pools", "delete", "baostock").returncode == 0
    try:
        without = doctor(stack)
    finally:
        assert airflow("pools", "set", "baostock", "8", "").returncode == 0
    assert without.returncode == 1
    assert "BAD   pool         The pool baostock does not exist" in without.stdout
