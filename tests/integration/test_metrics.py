"""The figures of the metrics, from a real PostgreSQL; that they arrive is shown by the end-to-end tests."""

from __future__ import annotations

from datetime import timedelta

import psycopg
import pytest

from ashare import metrics
from ashare.store import Store
from ashare.store.store import Merged
from ashare_emulator.server import Emulator
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


def test_a_phase_counts_its_own_requests_and_the_sources_seconds(
    make_run: MakeRun, emulator: Emulator, stats: Recorder
) -> None:
    other = make_run("2025-09-30", who="fetch_and_copy[1] 2025-09-30 in run")
    mine = make_run("2025-09-30", who="fetch_and_copy[0] 2025-09-30 in run")
    with metrics.phase(stats, mine.store, "fetch_and_copy", mine.who):
        with other.session() as session:  # of another task, while this one waits
            session.security_basics()
        before = emulator.count()
        with mine.session() as session:
            session.security_basics()
        asked = emulator.count() - before
    assert stats.counts == {"ashare.requests": asked}
    assert timedelta(0) < stats.times["ashare.seconds.source"] < stats.times["ashare.seconds.fetch_and_copy"]


def test_a_phase_that_fails_is_timed_and_keeps_its_error(stats: Recorder) -> None:
    def refuse() -> psycopg.Connection[tuple[object, ...]]:
        raise psycopg.OperationalError("connection refused")

    with pytest.raises(RuntimeError, match="mine"), metrics.phase(stats, Store(refuse), "plan_batches", "x"):
        raise RuntimeError("mine")
    assert list(stats.times) == ["ashare.seconds.plan_batches"]


def test_a_recorded_date_says_how_complete_it_is(make_run: MakeRun, database: Database, stats: Recorder) -> None:
    run = make_run("2025-10-10")
    complete(run)
    metrics.recorded(stats, run.store, run.day)
    ((bars,),) = database.rows("SELECT count(*) FROM ashare.daily_bar WHERE trade_date = '2025-10-10'")
    lag = stats.gauges.pop("ashare.lag")
    assert stats.gauges == {"ashare.bars": bars, "ashare.missing": 0, "ashare.rejected": 0, "ashare.revised": 0}
    assert lag > 0  # it is of 2025


def test_rows_are_counted_by_what_became_of_them(stats: Recorder) -> None:
    metrics.loaded(stats, Merged(inserted=3, revised=2, unchanged=1))
    metrics.loaded(stats, Merged(inserted=4, revised=0, unchanged=0))
    assert stats.counts == {"ashare.rows.new": 7, "ashare.rows.changed": 2, "ashare.rows.unchanged": 1}
