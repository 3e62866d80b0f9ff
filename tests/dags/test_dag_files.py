"""The DAG files as the DAG processor and an operator see them."""

from __future__ import annotations

import json
import os
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import pytest

from ashare.datasets import WEEKLY_DATASETS
from ashare_airflow.defaults import WEEKLY_ASSETS
from tests.airflow_script import PROJECT, run_forked, run_script

FILES = sorted((PROJECT / "dags").glob("*.py"))

PARSE = """
import json, sys, time, warnings
import airflow.sdk, airflow.sdk.bases.sensor, airflow.timetables.trigger  # loaded once per processor, not per file
before = set(sys.modules)
sys.path[:0] = {paths!r}
warnings.simplefilter("error")
warnings.filterwarnings("default", message="GitWildMatchPattern")  # Airflow's own, for any .airflowignore
from airflow.dag_processing.dagbag import DagBag
loaded = time.process_time()
bag = DagBag({folder!r})
seconds = time.process_time() - loaded
from types import SimpleNamespace
from airflow.serialization.serialized_objects import DagSerialization
from airflow.utils.types import DagRunType
from ashare.dates import beijing_now
import pendulum
serialized = {{dag.dag_id: DagSerialization.from_dict(DagSerialization.to_dict(dag)) for dag in bag.dags.values()}}
def weights(dag, kind, key):
    named = {{"partition_key": key}} if key else {{}}  # a run by hand has its key in no id
    run_id = dag.timetable.generate_run_id(
        run_type=kind, run_after=pendulum.now("UTC"), data_interval=None, **named
    )
    return {{
        task.task_id: task.weight_rule.get_weight(SimpleNamespace(task=task, run_id=run_id))
        for task in dag.tasks if task.pool == "baostock"
    }}
daily, today = serialized["ashare_daily"], str(beijing_now().date())
print(json.dumps({{
    "seconds": seconds,
    "errors": bag.import_errors,
    "warnings": list(getattr(bag, "captured_warnings", {{}})),
    "weights": {{
        "today": weights(daily, DagRunType.SCHEDULED, today),
        "today, by a backfill": weights(daily, DagRunType.BACKFILL_JOB, today),
        "by hand": weights(daily, DagRunType.MANUAL, None),
        "late": weights(daily, DagRunType.SCHEDULED, "2025-10-09"),
        "past": weights(daily, DagRunType.BACKFILL_JOB, "2025-10-09"),
        "history": weights(serialized["ashare_history"], DagRunType.MANUAL, None),
    }},
    "heavy": sorted(set(sys.modules) & {{"pandas", "numpy", "baostock", "psycopg"}}),
    "dags": {{
        dag.dag_id: {{
            "tags": sorted(dag.tags),
            "doc": dag.doc_md,
            "catchup": dag.catchup,
            "edges": {{task.task_id: sorted(task.downstream_task_ids) for task in dag.tasks}},
            "tasks": {{
                task.task_id: {{
                    "owner": task.owner, "retries": task.retries, "doc": task.doc_md, "pool": task.pool,
                    "policy": bool(task.retry_policy), "outputs": getattr(task, "multiple_outputs", False),
                }}
                for task in dag.tasks
            }},
        }}
        for dag in bag.dags.values()
    }},
}}))
"""


@pytest.fixture(scope="module")
def parsed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    paths = [str(PROJECT / "include"), str(PROJECT / "plugins"), str(PROJECT / "dags")]
    script = PARSE.format(paths=paths, folder=str(PROJECT / "dags"))
    done = run_script(tmp_path_factory.mktemp("airflow"), script)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def test_they_parse_without_an_error_or_a_warning(parsed: dict[str, Any]) -> None:
    assert parsed["errors"] == {}
    assert parsed["warnings"] == []
    assert "ashare_daily" in parsed["dags"]


def test_they_parse_in_under_a_second_and_import_nothing_heavy(parsed: dict[str, Any]) -> None:
    assert parsed["heavy"] == []
    assert parsed["seconds"] < 1


def test_the_daily_dag_has_the_tasks_of_the_contract(parsed: dict[str, Any]) -> None:
    assert parsed["dags"]["ashare_daily"]["edges"] == {
        "wait_for_trading_day": ["plan_batches"],
        "plan_batches": ["fetch_and_copy", "sync_adjust_factors"],
        "fetch_and_copy": ["record_status"],
        "sync_adjust_factors": ["record_status"],
        "record_status": [],
    }
    assert parsed["dags"]["ashare_daily"]["catchup"] is False


def test_the_history_dag_has_the_tasks_of_the_contract(parsed: dict[str, Any]) -> None:
    assert parsed["dags"]["ashare_history"]["edges"] == {
        "plan_batches": ["fetch_and_copy"],
        "fetch_and_copy": ["record_status"],
        "record_status": [],
    }


def test_the_reference_dag_has_one_task_whose_assets_are_the_weekly_datasets(parsed: dict[str, Any]) -> None:
    assert set(parsed["dags"]["ashare_reference"]["tasks"]) == {"sync_week"}
    assert [asset.name for asset in WEEKLY_ASSETS] == [f"ashare_{name}" for name in WEEKLY_DATASETS]


def test_the_lake_is_off_until_it_is_named(tmp_path: Path) -> None:
    script = (
        f"import sys; sys.path.insert(0, {str(PROJECT / 'dags')!r}); from ashare_export import ashare_export; "
        "timetable = ashare_export().timetable; print(type(timetable).__name__); "
        "print(sorted(asset.name for asset in timetable.asset_condition.objects) "
        "if timetable.asset_condition else [])"
    )
    *_, name, assets = run_script(tmp_path, script).stdout.splitlines()
    assert (name, assets) == ("NullTimetable", "[]")
    *_, name, assets = run_script(tmp_path, script, ASHARE_LAKE=str(tmp_path / "lake")).stdout.splitlines()
    assert name == "PartitionedAssetTimetable"
    wanted = ["ashare_daily_bar", "ashare_history", *(asset.name for asset in WEEKLY_ASSETS)]
    assert assets == str(sorted(wanted))


def test_the_result_of_a_task_is_one_xcom(parsed: dict[str, Any]) -> None:
    """Airflow makes one of each key of a result that is annotated as a dict: each is a request to the API server."""
    outputs = [task["outputs"] for dag in parsed["dags"].values() for task in dag["tasks"].values()]
    assert outputs == [False] * len(outputs)


def test_every_task_is_documented_owned_and_retried(parsed: dict[str, Any]) -> None:
    for dag in parsed["dags"].values():
        assert dag["tags"]
        assert "red" in dag["doc"]
        for name, task in dag["tasks"].items():
            assert task["owner"] == "ashare", name
            assert task["retries"] > 0, name
            assert task["policy"], name
            assert "**Red:**" in task["doc"], name


def test_whatever_speaks_to_baostock_queues_in_the_pool(parsed: dict[str, Any]) -> None:
    for dag_id, others in (
        ("ashare_daily", {"record_status"}),
        ("ashare_history", {"record_status"}),
        ("ashare_reference", set[str]()),
    ):
        tasks = parsed["dags"][dag_id]["tasks"]
        assert {name for name, task in tasks.items() if task["pool"] == "baostock"} == set(tasks) - others


def test_todays_tasks_go_first_in_the_pool_then_a_persons_then_past_dates_then_years(parsed: dict[str, Any]) -> None:
    weights = {run: found.values() for run, found in parsed["weights"].items()}
    order = (("today", "today, by a backfill"), ("by hand",), ("late", "past"), ("history",))
    for first, second in pairwise(order):
        for ahead, behind in product(first, second):
            assert min(weights[ahead]) > max(weights[behind]), (ahead, behind)
    for run in ("today", "by hand", "past"):  # inside a run, what most others wait for
        found = parsed["weights"][run]
        assert found["wait_for_trading_day"] > found["plan_batches"] > found["fetch_and_copy"], run


def test_the_kinds_of_the_settings_are_the_default_of_the_param(tmp_path: Path) -> None:
    script = (
        "from ashare_airflow.defaults import DAILY_PARAMS, HISTORY_PARAMS; "
        "print(*(params['kinds'].resolve() for params in (DAILY_PARAMS, HISTORY_PARAMS)))"
    )
    done = run_script(tmp_path, script, ASHARE_KINDS="etf,stock")
    assert done.stdout.splitlines()[-1] == "['stock', 'etf'] ['stock', 'etf']"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_dag_file_is_wiring(file: Path) -> None:
    text = file.read_text()
    assert len(text.splitlines()) < 120
    assert "SELECT" not in text


def test_a_wrong_setting_does_not_stop_the_scheduler(tmp_path: Path) -> None:
    """What tasks import is imported beforehand, in a scheduler that runs other people's DAGs, too."""
    script = (
        "import sys; from ashare_airflow.scheduler_start import import_task_modules; import_task_modules(); "
        "print(*sys.modules)"
    )
    for days in ("5", "abc"):
        environment = {**os.environ, "ASHARE_RECHECK_DAYS": days}
        done = run_forked(script, home=tmp_path, environment=environment)
        assert done.returncode == 0, done.stderr
        imported = set(done.stdout.split())
        assert ("ashare_airflow.schedule.sensor" in imported) == (days == "5")
        assert {"baostock", "pandas", "airflow.providers.postgres.hooks.postgres"} <= imported, days
