"""What the package does in Airflow's own processes at their start, and where its bundle finds the DAG files."""

from __future__ import annotations

import sys

import pytest
from airflow.jobs.job import Job

from ashare.errors import StoreUnavailable
from ashare_airflow import scheduler_start
from ashare_airflow.bundle import dags_folder
from ashare_airflow.pool import AirflowPool
from ashare_local import PROJECT


@pytest.mark.parametrize("problem", [StoreUnavailable("Airflow's own database cannot be read."), RuntimeError("x")])
def test_a_pool_that_cannot_be_made_keeps_no_other_listener_from_its_call(
    monkeypatch: pytest.MonkeyPatch, problem: Exception
) -> None:
    imported: list[None] = []

    def fail(_: AirflowPool) -> bool:
        raise problem

    monkeypatch.setattr(AirflowPool, "make", fail)
    monkeypatch.setattr(scheduler_start, "import_task_modules", lambda: imported.append(None))
    monkeypatch.setattr(sys, "argv", ["airflow", "scheduler"])
    scheduler_start.on_starting(Job())  # type: ignore[no-untyped-call, unused-ignore]
    assert imported  # what follows the pool is done


def test_in_a_checkout_the_bundle_reads_its_own_dag_files() -> None:
    assert dags_folder() == PROJECT / "dags"
