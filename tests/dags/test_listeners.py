"""What goes wrong in a listener of this package is logged, and harms nobody."""

from __future__ import annotations

import json
from pathlib import Path

from tests.airflow_script import PROJECT, run_script

BACKFILL = """
import json, os, sys
from types import ModuleType
import pendulum
from airflow import settings
from airflow.dag_processing.dagbag import DagBag
from airflow.listeners import hookimpl
from airflow.listeners.listener import get_listener_manager
from airflow.models import import_all_models
from airflow.models.backfill import Backfill, BackfillDagRun
from airflow.models.base import Base
from airflow.models.dagrun import DagRun
from airflow.models.pool import Pool
from airflow.serialization.serialized_objects import DagSerialization
from airflow.utils.types import DagRunType

called = []

@hookimpl
def on_dag_run_running(dag_run, msg):
    called.append(dag_run.dag_id)

theirs = ModuleType("theirs")
theirs.on_dag_run_running = on_dag_run_running
dag = DagSerialization.from_dict(DagSerialization.to_dict(DagBag(sys.argv[1]).dags["ashare_daily"]))
import_all_models()
Base.metadata.create_all(settings.engine)
manager = get_listener_manager()
ours = manager.pm.get_plugins()
manager.clear()
for listener in (theirs, *ours):  # the last one is called first
    manager.add_listener(listener)
os.environ["ASHARE_MAX_ABSENT"] = "many"  # mistyped while the scheduler was stopped
with settings.Session() as session:
    session.add(Pool(pool="baostock", slots=8, include_deferred=False))
    session.add(Pool(pool="default_pool", slots=8, include_deferred=False))
    backfill = Backfill(dag_id=dag.dag_id, from_date=pendulum.now(), to_date=pendulum.now(), dag_run_conf={})
    run = DagRun(
        dag_id=dag.dag_id, run_id="backfill__1", run_type=DagRunType.BACKFILL_JOB, partition_key="2025-10-09",
        run_after=pendulum.now(), state="running",
    )
    session.add_all([backfill, run])
    session.flush()
    run.backfill_id = backfill.id
    session.add(
        BackfillDagRun(backfill_id=backfill.id, dag_run_id=run.id, partition_key="2025-10-09", sort_ordinal=1)
    )
    session.flush()
    run.dag = dag
    run.notify_dagrun_state_changed("started")
    print(json.dumps({"called": called, "state": run.state, "note": run.note}))
"""


def test_a_wrong_setting_keeps_no_other_listener_from_its_call(tmp_path: Path) -> None:
    done = run_script(tmp_path, BACKFILL, str(PROJECT / "dags"))
    assert json.loads(done.stdout.splitlines()[-1]) == {"called": ["ashare_daily"], "state": "running", "note": None}
    assert "ASHARE_MAX_ABSENT is 'many': it must be a whole number from 0 on" in done.stdout + done.stderr
    assert "Error while calling listener" not in done.stdout + done.stderr
