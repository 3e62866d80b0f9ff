"""A mistyped setting in an Airflow that runs other people's DAGs, too: ours say which, and nothing else notices.

These tests build on each other, in the order they stand.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote

import pytest

from ashare_emulator.generated import GeneratedMarket
from ashare_emulator.server import Emulator
from ashare_local.components import API_SERVER, DAG_PROCESSOR, SCHEDULER, TRIGGERER
from ashare_local.postgres import EmbeddedPostgres
from ashare_local.stack_connections import baostock_json
from tests.e2e.test_mounted_folders import mount
from tests.site import DAGS, LOCAL, Site

TYPOS = {"ASHARE_MAX_ABSENT": "many", "ASHARE_DEADLINE": "9 pm"}
SENTENCES = (
    "ASHARE_MAX_ABSENT is 'many': it must be a whole number from 0 on (the default is 100).",
    "ASHARE_DEADLINE is '9 pm': it must be a time of day, Beijing's, for example 20:30 (the default is 21:00).",
)


@pytest.fixture(scope="module")
def site(own_directory: Path, market: GeneratedMarket) -> Iterator[Site]:
    """It has run this package's DAGs before; then all of it was started again with the typos."""
    root = own_directory / "wrong_setting"
    with (
        EmbeddedPostgres(root / "postgres", databases=(), durable=False).start() as server,
        Emulator(market) as source,
    ):
        variables = {
            "PYTHONPATH": os.pathsep.join([str(root / "include"), str(root / "airflow" / "plugins")]),
            "AIRFLOW_CONN_BAOSTOCK": baostock_json("127.0.0.1", source.port),
        }
        made = Site(root, server, ["site_bars"], variables=variables)
        made.set_bundle(LOCAL, path=str(root / "dags"))
        mount("dags", root / "dags")
        mount("plugins", made.plugins)
        mount("include", root / "include")
        try:
            made.start(DAG_PROCESSOR)
            made.until(lambda: made.dag() and made.dag("ashare_history") and made.dag("theirs"))
            made.stop(DAG_PROCESSOR)
            made.start(API_SERVER, SCHEDULER, TRIGGERER, **TYPOS, AIRFLOW__SCHEDULER__USE_JOB_SCHEDULE="True")
            yield made
        finally:
            made.stop_all()


def test_the_scheduler_goes_on_with_our_dag_as_it_was_read_before(site: Site) -> None:
    """It makes the newest weekday's run, for which it reads the timetable, the deadline and the weights."""
    tried = "SELECT FROM task_instance WHERE dag_id = 'ashare_daily' AND end_date IS NOT NULL"
    site.until(lambda: site.rows(tried))


def test_our_dags_name_each_wrong_setting(site: Site) -> None:
    site.start(DAG_PROCESSOR, **TYPOS)
    query = "SELECT filename, stacktrace FROM import_error ORDER BY 1"
    found = site.until(lambda: len(rows := site.rows(query)) == 4 and rows)
    names = ["ashare_daily.py", "ashare_export.py", "ashare_history.py", "ashare_reference.py"]
    assert [name for name, _ in found] == names
    for _, stacktrace in found:
        assert stacktrace.rstrip().endswith("ashare.errors.InvalidInput: " + "\n".join(SENTENCES))


def test_another_dag_runs(site: Site) -> None:
    run = site.api("POST", f"{DAGS}/theirs/dagRuns", {"logical_date": None})
    assert site.ended(f"{DAGS}/theirs/dagRuns/{quote(run['dag_run_id'])}")["state"] == "success"
    site.until(site.is_healthy)
    assert {plugin["name"] for plugin in site.api("GET", "/api/v2/plugins")["plugins"]} >= {"ashare", "theirs"}


def refused(site: Site, path: str) -> tuple[int, Any]:
    with pytest.raises(HTTPError) as answer:
        site.api("GET", path)
    return answer.value.code, json.load(answer.value)


def test_the_page_says_the_same(site: Site) -> None:
    site.set_store("POST", "", "site_bars")
    code, body = refused(site, "/ashare/api/v1/sync-status/overview")
    assert (code, body["message"]) == (503, "\n".join(SENTENCES))
    assert refused(site, "/ashare/health") == (503, {"status": "unavailable"})


def test_once_it_is_mended_our_dags_are_back(site: Site) -> None:
    site.stop(DAG_PROCESSOR)
    site.start(DAG_PROCESSOR)
    site.until(lambda: site.dag() and not site.rows("SELECT FROM import_error"))
    site.until(site.is_healthy)
