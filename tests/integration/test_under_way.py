"""What a run works on, or will: it is warned of nowhere, and a history says how far it is and what it lacks."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from ashare.awaited import Awaited
from ashare.dry_run import dry_run, dry_run_of_history
from ashare.errors import InvalidInput, SourceUnreachable
from ashare.history_status import history_work, holes
from ashare.settings import Settings
from ashare.status import StatusReader, status_reader
from ashare.store import Store
from ashare_emulator.faults import fault
from ashare_emulator.server import Emulator
from tests.conftest import Database, MakeRun, at
from tests.integration.trade_date import DAY, complete

NOW = "2025-11-03T20:00"
BARS = ("stock_bar", "index_bar", "adjust_factor")

Reading = Callable[..., AbstractContextManager[StatusReader]]


@pytest.fixture
def reading(database: Database) -> Reading:
    @contextmanager
    def read(awaited: Awaited | None = None, **settings: Any) -> Iterator[StatusReader]:
        with (
            Store(database.connect) as store,
            status_reader(store, awaited=awaited or Awaited(), now=at(NOW), settings=Settings(**settings)) as reader,
        ):
            yield reader

    return read


def states(reader: StatusReader, start: str, end: str) -> dict[str, str]:
    days = reader.coverage(date.fromisoformat(start), date.fromisoformat(end))
    return {str(day): state for day, state, *_ in days}


def test_dates_that_a_run_will_work_on_are_syncing_wherever_they_are_shown(
    make_run: MakeRun, reading: Reading
) -> None:
    assert complete(make_run(DAY)) == "success"
    first, last = date(2025, 10, 10), date(2025, 10, 31)
    with reading(first_date=date(2025, 10, 9)) as reader:
        lacking = reader.counts()["pending"]
        assert (reader.open_range(), lacking) == ((first, last), 16)
    queued = Awaited(frozenset({last}), ((first, date(2025, 10, 30)),))
    with reading(queued, first_date=date(2025, 10, 9)) as reader:
        assert states(reader, DAY, "2025-10-13") == {
            DAY: "complete",
            "2025-10-10": "running",
            "2025-10-11": "closed",
            "2025-10-12": "closed",
            "2025-10-13": "running",
        }
        assert reader.counts() == {"pending": 0, "syncing": lacking, "success": 1, "failed": 0, "skipped": 0}
        assert (reader.open_range(), reader.wanting(first, last)) == ((None, None), [])
        assert {row["status"] for row in reader.records(start=first)} == {"syncing"}
        assert reader.need(first)[0] is False
        plan = dry_run(reader, first, last)
        assert (plan.to_sync, plan.under_way, plan.requests, plan.quota_days) == ([], 16, 0, 0)


def test_a_partial_date_whose_run_is_queued_again_is_syncing_and_then_partial(
    make_run: MakeRun, reading: Reading, database: Database
) -> None:
    assert complete(make_run(DAY)) == "success"
    database.do("DELETE FROM ashare.daily_bar WHERE trade_date = %s AND code LIKE 'sh.60000%%'", DAY)
    with reading(Awaited(frozenset({date.fromisoformat(DAY)}))) as reader:
        assert states(reader, DAY, DAY) == {DAY: "running"}
    with reading() as reader:
        assert states(reader, DAY, DAY) == {DAY: "partial"}


def test_a_historys_work_is_its_plan_its_batches_and_their_errors(reading: Reading, database: Database) -> None:
    database.do(
        "INSERT INTO ashare.history_run (run_id, first_date, last_date, plan, kinds) "
        "VALUES ('under way', '2025-10-09', '2025-10-31', '300 requests', '{stock}')"
    )
    for number, (state, error) in enumerate(
        [("success", None), ("failed", "it broke"), ("pending", "it waits"), ("superseded", "of before")]
    ):
        database.do(
            "INSERT INTO ashare.batch (plan, batch_no, kind, by, codes, label, status, error, rows, requests) "
            "VALUES ('history under way', %s, 'stock', 'code', ARRAY['sh.600000'], %s, %s, %s, 10, 3)",
            number,
            f"batch {number + 1} of 3",
            state,
            error,
        )
    with reading() as reader:
        work = history_work(reader, "under way")
        assert (work.plan, work.start, work.end) == ("300 requests", date(2025, 10, 9), date(2025, 10, 31))
        assert (work.batches, work.done, work.failed, work.rows, work.requests) == (3, 1, 1, 30, 9)
        assert (work.waits_for, work.errors) == ("it waits", [("batch 2 of 3", "it broke")])
        unknown = history_work(reader, "another")
        assert (unknown.plan, unknown.batches, unknown.errors) == (None, 0, [])


def test_the_holes_of_a_history_are_the_dates_of_its_range_that_are_not_complete(
    make_run: MakeRun, reading: Reading
) -> None:
    assert complete(make_run(DAY)) == "success"
    with reading(first_date=date(2025, 10, 9)) as reader:
        start, end = date(2025, 10, 8), date(2025, 10, 13)
        assert holes(reader, start, end, ["stock", "index"]) == [date(2025, 10, 13), date(2025, 10, 10)]


def test_the_cost_of_a_history_is_said_before(make_run: MakeRun, reading: Reading) -> None:
    assert complete(make_run(DAY)) == "success"
    start, end = date(2025, 9, 1), date(2025, 10, 31)
    with reading() as reader:
        plan = dry_run_of_history(reader, start, end, BARS)
        assert plan.requests > 0 < plan.seconds
        assert (plan.quota_days, plan.notes, len(plan.to_sync) > 30) == (1, [], True)
        indices = dry_run_of_history(reader, start, end, ["index_bar"])
        assert 0 < indices.requests < 20 < plan.requests
        lists = dry_run_of_history(reader, start, end, ["industry"])
        assert (lists.weekdays, len(lists.to_sync)) == (9, 9)
        done = date.fromisoformat(DAY)
        assert dry_run_of_history(reader, done, done, BARS).to_sync == []
    with reading(request_budget=100, history_reserve=10) as reader:
        small = dry_run_of_history(reader, start, end, BARS)
        assert small.quota_days > 1
        assert "it waits for midnight" in small.notes[0]


@pytest.mark.parametrize(
    ("end", "datasets", "told"),
    [
        ("2025-11-03", BARS, "is not over in Beijing"),
        ("2025-10-31", ["industry", "stock_bar"], "trigger a run for each of both"),
        ("2025-10-31", ["bonds"], "There is no dataset bonds"),
        ("2025-10-31", ["etf_bar"], "begin on 2026-01-05"),
    ],
)
def test_a_history_that_would_fail_is_refused_before(
    reading: Reading, end: str, datasets: list[str], told: str
) -> None:
    with reading() as reader, pytest.raises(InvalidInput, match=told):
        dry_run_of_history(reader, date(2025, 9, 1), date.fromisoformat(end), datasets)


def test_a_run_that_a_person_has_ended_leaves_no_failure(
    make_run: MakeRun, reading: Reading, database: Database
) -> None:
    run = make_run(DAY)
    run.store.migrate()
    run.store.work.start(run.scope)
    with reading() as reader:
        assert states(reader, DAY, DAY) == {DAY: "running"}
    run.store.work.give_up(run.run_id)
    database.do(
        "INSERT INTO ashare.history_run (run_id, first_date, last_date, plan, kinds, ended_at) "
        "VALUES (%s, %s, %s, 'x', '{stock}', now())",
        run.run_id,
        DAY,
        DAY,
    )
    run.store.work.fail(run.scope, "its batch was killed")  # a batch may end after the run
    with reading() as reader:
        assert states(reader, DAY, DAY) == {DAY: "before"}


def test_a_source_that_cannot_be_connected_to_is_known_at_once_and_by_its_reason(
    make_run: MakeRun, reading: Reading, database: Database
) -> None:
    assert complete(make_run(DAY)) == "success"
    run = make_run("2025-10-10")
    with socket.create_server(("127.0.0.1", 0)) as closed:
        nowhere = replace(run, source=replace(run.source, port=closed.getsockname()[1]))
    for _ in range(2):
        with pytest.raises(SourceUnreachable):
            nowhere.session().check_reachable()
    ((began, last, error),) = database.rows("SELECT began_at, last_at, error FROM ashare.source_outage")
    assert began < last
    assert "cannot be reached" in error
    with reading() as reader:
        source = reader.source()
    assert (source["unreachable_since"], source["unreachable_why"], source["recent_errors"]) == (began, error, [])
    assert complete(run) == "success"
    with reading() as reader:
        source = reader.source()
    assert (source["unreachable_since"], source["unreachable_why"]) == (None, None)
    with pytest.raises(SourceUnreachable):
        nowhere.session().check_reachable()
    assert database.rows("SELECT count(*) FROM ashare.source_outage") == [(2,)]  # another one


def test_a_source_out_of_reach_is_known_since_its_first_request_without_an_answer(
    make_run: MakeRun, reading: Reading, emulator: Emulator, database: Database
) -> None:
    assert complete(make_run(DAY)) == "success"
    with reading() as reader:
        assert reader.source()["unreachable_since"] is None
    emulator.add_fault(fault("login", "close_before_reply", times=0))
    with pytest.raises(SourceUnreachable):
        complete(make_run("2025-10-10"))
    emulator.clear_faults()
    with reading() as reader:
        source = reader.source()
        since = min(row["requested_at"] for row in source["recent_errors"])
        assert source["unreachable_since"] == since
    # More failures than the page lists do not move the beginning.
    database.do(
        "INSERT INTO ashare.source_request (method, detail, outcome, who, requested_at) "
        "SELECT 'login', '', 'SourceUnreachable', 'x', clock_timestamp() FROM generate_series(1, 30)"
    )
    with reading() as reader:
        assert reader.source()["unreachable_since"] == since
    assert complete(make_run("2025-10-10")) == "success"
    with reading() as reader:
        assert reader.source()["unreachable_since"] is None
