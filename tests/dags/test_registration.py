"""The plugin registers whatever the settings are, and Airflow reads what version 1.2.0 left in its database."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ashare.settings import Settings
from tests.airflow_script import PROJECT, run_script

VARIABLES = [f"ASHARE_{name.upper()}" for name in Settings.model_fields]
THEIR_DAG = "from airflow.sdk import DAG\n\ntheirs = DAG('theirs', schedule=None)\n"

REGISTER = """
import json, sys
from pathlib import Path
from airflow import plugins_manager
from airflow.dag_processing.dagbag import DagBag

plugins, errors = plugins_manager._get_plugins()
is_read = "ashare.settings" in sys.modules
bag = DagBag()
print(json.dumps({
    "plugins": [plugin.name for plugin in plugins],
    "errors": errors,
    "is_read": is_read,
    "dags": bag.dag_ids,
    "import_errors": {Path(file).name: said for file, said in bag.import_errors.items()},
}))
"""

FORMER_NAMES = {
    "ashare_airflow.schedule.timetable.TradeDateTimetable": "trade_date_timetable.TradeDateTimetable",
    "ashare_airflow.schedule.priority.TradeDatePriority": "trade_date_priority.TradeDatePriority",
    "ashare_airflow.schedule.deadline.TradeDateDeadline": "trade_date_deadline.TradeDateDeadline",
    "ashare_airflow.report.alerts.late": "ashare_alerts.late",
}

READ_FORMER = """
import json, sys
from airflow._shared.module_loading import import_string, qualname
from airflow.dag_processing.dagbag import DagBag
from airflow.serialization.decoders import decode_deadline_alert
from airflow.serialization.encoders import encode_timetable
from airflow.serialization.serialized_objects import DagSerialization

former_names = json.loads(sys.argv[1])
data = DagSerialization.to_dict(DagBag().dags["ashare_daily"])
del data["dag"]["deadline"][0]["reference"]["within"]  # 1.2.0 did not keep it
text = json.dumps(data)
found = [text.count(name) for name in former_names]
for name, former in former_names.items():
    text = text.replace(name, former)
data = json.loads(text)
alert = decode_deadline_alert(data["dag"]["deadline"][0])
dag = DagSerialization.from_dict(data)
reference = alert.reference.inner_ref
print(json.dumps({
    "found": found,
    "names": [qualname(type(dag.timetable)), qualname(type(reference))],
    "written": encode_timetable(dag.timetable),
    "weight": dag.get_task("plan_batches").weight_rule.get_weight(
        type("Instance", (), {"task": dag.get_task("plan_batches"), "run_id": "manual__x"})
    ),
    "hours": [reference.within.total_seconds() / 3600, alert.interval.total_seconds() / 3600],
    "callback": import_string(alert.callback.path).__module__,
}))
"""


def run(home: Path, script: str, *arguments: str, **variables: str) -> dict[str, Any]:
    """What a script prints, in an Airflow that has this package's plugin and DAG files, and another DAG."""
    folder = home / "dags"
    folder.mkdir()
    for file in (PROJECT / "dags").glob("*.py"):
        (folder / file.name).symlink_to(file)
    (folder / "theirs.py").write_text(THEIR_DAG)
    done = run_script(home, script, *arguments, **variables)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


OUR_FILES = ["ashare_daily.py", "ashare_export.py", "ashare_history.py", "ashare_reference.py"]


def test_with_every_setting_wrong_the_plugin_registers_and_each_of_our_dags_names_them_all(tmp_path: Path) -> None:
    found = run(tmp_path, REGISTER, **dict.fromkeys(VARIABLES, "wrong"))
    assert (found["plugins"], found["errors"]) == (["ashare"], {})
    assert not found["is_read"]
    assert found["dags"] == ["theirs"]
    assert found["import_errors"].keys() == set(OUR_FILES)
    for said in found["import_errors"].values():
        *_, first = said.partition("ashare.errors.InvalidInput: ")
        assert [sentence.split()[0] for sentence in first.splitlines()] == VARIABLES


def test_a_dag_that_version_1_2_0_has_written_is_read_under_the_names_of_today(tmp_path: Path) -> None:
    found = run(tmp_path, READ_FORMER, json.dumps(FORMER_NAMES))
    assert all(found["found"])
    timetable, _, deadline, _ = FORMER_NAMES
    assert found["names"] == [timetable, deadline]
    assert found["written"]["__type"] == timetable
    assert found["weight"] > 1000
    assert found["hours"] == [24, 21]
    assert found["callback"] == "ashare_airflow.report.alerts"
