"""The figures of the metrics, from a real PostgreSQL; that they arrive is shown by the end-to-end tests."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from ashare import metrics
from ashare.store import Store
from ashare_airflow.report import run_metrics
from ashare_emulator.server import Emulator
from tests.airflow_script import run_script
from tests.conftest import Database, MakeRun
from tests.integration.trade_date import complete


class Recorder:
    """What Airflow would hand on."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.gauges: dict[str, float] = {}
        self.times: dict[str, timedelta] = {}

    def incr(self, stat: str, count: int | None = None) -> None:
        self.counts[stat] = self.counts.get(stat, 0) + (1 if count is None else count)

    def gauge(self, stat: str, value: float) -> None:
        self.gauges[stat] = value

    def timing(self, stat: str, dt: timedelta) -> None:
        self.times[stat] = dt


@pytest.fixture
def stats() -> Recorder:
    return Recorder()


@pytest.fixture
def measured(stats: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow's metrics are switched on."""
    monkeypatch.setattr(run_metrics, "_client", lambda: stats)


@pytest.mark.usefixtures("measured")
def test_a_task_counts_its_own_requests_and_the_sources_seconds(
    make_run: MakeRun, emulator: Emulator, stats: Recorder
) -> None:
    other = make_run("2025-09-30", who="fetch_and_copy[1] 2025-09-30 in run")
    mine = make_run("2025-09-30", who="fetch_and_copy[0] 2025-09-30 in run")
    with run_metrics.task_measured(mine.store, "fetch_and_copy", mine.who):
        with other.session() as session:  # of another task, while this one waits
            session.security_basics()
        before = emulator.count()
        with mine.session() as session:
            session.security_basics()
        asked = emulator.count() - before
    assert stats.counts == {"ashare.requests": asked}
    assert timedelta(0) < stats.times["ashare.seconds.source"] < stats.times["ashare.seconds.fetch_and_copy"]


@pytest.mark.usefixtures("measured")
def test_a_task_that_fails_is_timed_and_keeps_its_error(stats: Recorder) -> None:
    def refuse() -> psycopg.Connection[tuple[object, ...]]:
        raise psycopg.OperationalError("connection refused")

    with pytest.raises(RuntimeError, match="mine"), run_metrics.task_measured(Store(refuse), "plan_batches", "x"):
        raise RuntimeError("mine")
    assert list(stats.times) == ["ashare.seconds.plan_batches"]


def test_a_recorded_date_says_how_complete_it_is(make_run: MakeRun, database: Database, stats: Recorder) -> None:
    run = make_run("2025-10-10")
    complete(run)
    metrics.date_recorded(stats, run.store, run.day)
    ((bars,),) = database.rows("SELECT count(*) FROM ashare.daily_bar WHERE trade_date = '2025-10-10'")
    lag = stats.gauges.pop("ashare.lag")
    assert stats.gauges == {"ashare.bars": bars, "ashare.missing": 0, "ashare.rejected": 0, "ashare.revised": 0}
    assert lag > 0  # it is of 2025


def test_rows_are_counted_by_what_became_of_them(stats: Recorder) -> None:
    metrics.batch_loaded(stats, {"new": 3, "changed": 2, "unchanged": 1})
    metrics.batch_loaded(stats, {"new": 4, "changed": 0, "unchanged": 0})
    assert stats.counts == {"ashare.rows.new": 7, "ashare.rows.changed": 2, "ashare.rows.unchanged": 1}


REPORTED = """
import sys
from datetime import date
from ashare.errors import IncompleteDate
from ashare.sync import Run
from ashare_airflow.connections import AirflowConnections
from ashare_airflow.report.run_metrics import row_counts, task_measured
from ashare_airflow.report.run_report import end_reported
from ashare.store.rows import MergeCounts
with AirflowConnections().store() as opened:
    run = Run(date(2025, 10, 10), store=opened, source=AirflowConnections().source_config(), run_id="r")
    try:
        with task_measured(opened, "record_status", "a label"), end_reported(run):
            print(row_counts(MergeCounts(1, 2, 3)))
            if sys.argv[1] == "incomplete":
                raise IncompleteDate("12 bars are missing")
            print("ended well")
    except IncompleteDate as error:
        print("red:", error)
"""

BROKEN_CLIENT = """
import statsd

class BrokenClient(statsd.StatsClient):
    def _send(self, data):
        if ".ashare." in data:
            raise OSError("no route to host")
"""


@pytest.mark.parametrize(("end", "printed"), [("complete", "ended well"), ("incomplete", "red: 12 bars are missing")])
def test_a_metric_that_cannot_be_sent_changes_nothing(
    database: Database, tmp_path: Path, end: str, printed: str
) -> None:
    Store(database.connect).migrate()
    (tmp_path / "broken_client.py").write_text(BROKEN_CLIENT)
    done = run_script(
        tmp_path,
        REPORTED,
        end,
        AIRFLOW__METRICS__STATSD_ON="True",
        AIRFLOW__METRICS__STATSD_CUSTOM_CLIENT_PATH="broken_client.BrokenClient",
        AIRFLOW_CONN_ASHARE_POSTGRES=database.server.connection_json(database.name),
        AIRFLOW_CONN_BAOSTOCK="baostock://127.0.0.1:1",
    )
    assert {"{'new': 1, 'changed': 2, 'unchanged': 3}", printed} <= set(done.stdout.splitlines())
    assert "A metric could not be sent (OSError)." in done.stdout + done.stderr
