"""The doctor beside a running Airflow: one screen, and an exit code for a monitor."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence

from ashare_emulator.server import Emulator
from ashare_local import PROJECT
from ashare_local.stack import Stack
from tests.e2e.conftest import Api, without_pool


def doctor(stack: Stack, without: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ashare_airflow", "doctor"],
        env={name: value for name, value in stack.env.items() if name not in without},
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_one_screen_and_two_requests(stack: Stack, source: Emulator, api: Api) -> None:
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

    with without_pool(api):
        without = doctor(stack)
    assert without.returncode == 1
    assert "BAD   pool         The pool baostock does not exist" in without.stdout


def test_connections_that_only_airflows_database_knows(stack: Stack, api: Api) -> None:
    names = ("ashare_postgres", "baostock")
    variables = [f"AIRFLOW_CONN_{name.upper()}" for name in names]
    unset = doctor(stack, variables)
    assert unset.returncode == 1
    assert "The Airflow connection 'ashare_postgres' is not set" in unset.stdout
    assert "ok    pool         baostock: " in unset.stdout  # what can be known is still said
    for name, variable in zip(names, variables, strict=True):
        api("POST", "/api/v2/connections", {"connection_id": name, **json.loads(stack.env[variable])})
    try:
        seen = doctor(stack, variables)
    finally:
        for name in names:
            api("DELETE", f"/api/v2/connections/{name}")
    assert "ok    database     PostgreSQL " in seen.stdout, seen.stdout + seen.stderr
    assert "ok    source       Baostock at 127.0.0.1:" in seen.stdout
