"""What people are told of the trade dates, over a real PostgreSQL: never more than the rows say, never a guess."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import psycopg
import pytest

from ashare.datasets import INDEX_MEMBERS, INDUSTRIES, NAMES
from ashare.dates import parse_trade_date_range
from ashare.dry_run import dry_run, dry_run_of_verification
from ashare.errors import IncompleteDate, InvalidInput, StoreUnavailable
from ashare.settings import Settings
from ashare.status import StatusReader, newest_due, status_reader
from ashare.store import Store
from ashare.store.weekly_lists import WeeklyList
from ashare.sync import plan_batches, record_status
from ashare_emulator.faults import fault
from ashare_emulator.generated import GeneratedMarket
from ashare_emulator.server import Emulator
from tests.conftest import Database, MakeRun, at
from tests.integration.trade_date import DAY, MARKET, complete
from tests.records import record

NOW = "2025-11-03T20:00"
NEXT = "2025-10-10"

Reading = Callable[..., AbstractContextManager[StatusReader]]


@pytest.fixture
def reading(database: Database) -> Reading:
    """Read the test's database, as seen on 2025-11-03 20:00, a Monday."""

    @contextmanager
    def read(now: str = NOW, running: tuple[str, ...] = (), **settings: Any) -> Iterator[StatusReader]:
        with (
            Store(database.connect) as store,
            status_reader(store, running, now=at(now), settings=Settings(**settings)) as reader,
        ):
            yield reader

    return read


def coverage(reader: StatusReader, start: str, end: str) -> dict[str, str]:
    days = reader.coverage(date.fromisoformat(start), date.fromisoformat(end))
    return {str(day): state for day, state, *_ in days}


def test_before_anything_is_loaded(make_run: MakeRun, reading: Reading) -> None:
    make_run(DAY)
    with reading() as reader:
        bounds = reader.bounds()
        assert (bounds.first_date, bounds.newest, bounds.lag) == (None, None, None)
        assert reader.open_range() == (None, None)
        assert reader.records() == []
        assert reader.record(date(2025, 10, 9)) is None  # a weekday that no calendar covers
        assert coverage(reader, "2025-10-31", "2025-11-04") == {
            "2025-10-31": "before",
            "2025-11-01": "closed",
            "2025-11-02": "closed",
            "2025-11-03": "unpublished",
            "2025-11-04": "unpublished",
        }
        assert reader.wanting(date(2025, 10, 31), date(2025, 11, 4)) == [date(2025, 11, 3), date(2025, 10, 31)]
        assert reader.need(date(2025, 10, 9))[0]


def test_complete_dates_holes_and_days_before_the_first(
    make_run: MakeRun, reading: Reading, market: GeneratedMarket
) -> None:
    assert {complete(make_run(day)) for day in (DAY, NEXT, "2025-10-14")} == {"success"}
    with reading() as reader:
        bounds = reader.bounds()
        assert bounds.newest is not None
        assert (bounds.first_date, bounds.newest["trade_date"]) == (date(2025, 10, 9), date(2025, 10, 14))
        assert bounds.newest["loaded"] == bounds.newest["expected"] > 300
        sessions = [day for day, is_open in market.trade_dates(date(2025, 10, 15), date(2025, 10, 31)) if is_open]
        assert (bounds.newest_due, bounds.lag) == (date(2025, 10, 31), len(sessions))
        counts = reader.counts()
        assert counts == {"pending": len(sessions) + 1, "syncing": 0, "success": 3, "failed": 0, "skipped": 0}
        seen = coverage(reader, "2025-09-30", "2025-10-14")
        assert seen["2025-09-30"] == "before"
        assert {seen[day] for day in ("2025-10-01", "2025-10-08", "2025-10-11")} == {"closed"}
        assert {seen[day] for day in (DAY, NEXT, "2025-10-14")} == {"complete"}
        assert seen["2025-10-13"] == "missing"
        assert reader.wanting(date(2025, 10, 8), date(2025, 10, 14)) == [date(2025, 10, 13)]
        assert [row["status"] for row in reader.records(start=date(2025, 10, 9), end=date(2025, 10, 14))] == [
            *("success", "pending", "success", "success")
        ]
        assert reader.need(date(2025, 10, 9)) == (
            False,
            f"2025-10-09 is complete: {counts_of(reader, DAY)} bars.",
        )
        assert reader.need(date(2025, 10, 1)) == (
            False,
            "2025-10-01 is not a trading day: an exchange holiday, by Baostock's calendar.",
        )
        assert reader.need(date(2025, 10, 13)) == (True, "Nothing is recorded of 2025-10-13, a trading day.")
        assert reader.neighbours(date(2025, 10, 9)) == (date(2025, 9, 30), date(2025, 10, 10))


def test_a_holiday_that_is_recorded_is_counted_listed_and_closed(
    make_run: MakeRun, reading: Reading, database: Database
) -> None:
    complete(make_run(DAY))
    holiday = date(2025, 10, 1)
    record(database, holiday, "skipped", loaded=0, reason="An exchange holiday.")
    dates = "ashare.counted_dates('{stock_bar,index_bar}', '-infinity', 'infinity')"
    assert database.rows(f"SELECT trade_date FROM {dates} WHERE is_closed") == [(holiday,)]
    with reading() as reader:
        assert reader.counts()["skipped"] == 1
        assert [(row["trade_date"], row["coverage"]) for row in reader.records(status="skipped")] == [
            (holiday, "closed")
        ]
        assert {row["trade_date"] for row in reader.records()} >= {holiday, date.fromisoformat(DAY)}
        assert reader.coverage(holiday, holiday) == [(holiday, "closed", *(None,) * 5)]


def test_a_weekend_is_closed_unless_something_is_known_of_it(
    make_run: MakeRun, reading: Reading, database: Database
) -> None:
    complete(make_run(DAY))
    record(database, "2025-10-11", "success", loaded=0, reason="It was made up for.")
    database.do(
        "INSERT INTO ashare.row_count_change (dataset, partitions, changes) "
        "VALUES ('stock_bar', '{2025-10-18}', '{3}')"
    )
    database.do("INSERT INTO ashare.work (dataset, partition, run_id) VALUES ('stock_bar', '2025-10-19', 'r')")
    with reading(running=("r",)) as reader:
        seen = coverage(reader, "2025-10-11", "2025-10-19")
        assert {day: seen[day] for day in ("2025-10-11", "2025-10-12", "2025-10-18", "2025-10-19")} == {
            "2025-10-11": "complete",
            "2025-10-12": "closed",
            "2025-10-18": "partial",
            "2025-10-19": "running",
        }
        for day, state in seen.items():
            row = reader.record(date.fromisoformat(day))
            assert row is not None
            assert row["coverage"] == state
        weekend = date(2025, 10, 18), date(2025, 10, 19)
        assert sum(reader.counts(*weekend).values()) == len(reader.records(start=weekend[0], end=weekend[1])) == 2


@pytest.mark.parametrize("bounds", [(None, None), ("2023-12-28", "2025-01-02")])
def test_a_page_of_a_list_is_a_part_of_the_whole_list(
    reading: Reading, database: Database, bounds: tuple[str | None, str | None]
) -> None:
    statuses = ("success", "failed", "skipped", "success", None)
    first = date(2023, 12, 25)
    for n in range(24):  # at the ends of three years
        day = first + timedelta(days=n + 350 * (n // 8))
        status = statuses[n % 5]
        database.do("INSERT INTO ashare.trade_calendar VALUES (%s, %s)", day, status != "skipped")
        if status:
            record(database, day, status, loaded=0 if status == "skipped" else 2)
    start, end = (date.fromisoformat(text) if text else None for text in bounds)
    with reading(first_date=first) as reader:
        for chosen in (None, "success", "failed", "skipped", "pending"):
            whole = [row["trade_date"] for row in reader.records(start=start, end=end, status=chosen)]
            assert whole == sorted(whole, reverse=True)
            counts = reader.counts(start, end)
            assert len(whole) == (counts[chosen] if chosen else sum(counts.values())) > 0
            for limit in (3, 50):
                for offset in range(len(whole) + 2):
                    rows = reader.records(start=start, end=end, status=chosen, limit=limit, offset=offset)
                    assert [row["trade_date"] for row in rows] == whole[offset : offset + limit]


def counts_of(reader: StatusReader, day: str) -> str:
    row = reader.record(date.fromisoformat(day))
    assert row is not None
    return f"{row['loaded']} of {row['expected']}"


@pytest.mark.parametrize(("now", "due"), [("2025-11-03T22:59", "2025-10-31"), ("2025-11-03T23:00", "2025-11-03")])
def test_a_date_is_due_when_its_run_has_given_up(now: str, due: str) -> None:
    assert str(newest_due(at(now)())) == due


def test_where_the_calendar_ends_every_weekday_counts_as_a_session(make_run: MakeRun, reading: Reading) -> None:
    complete(make_run("2025-10-31"))
    with reading("2026-01-06T12:00") as reader:
        in_calendar = 20 + 23  # weekdays of November and December, without a holiday among them
        lag, due = reader.bounds().lag, reader.bounds().newest_due
        assert (lag, due) == (in_calendar + 3, date(2026, 1, 5))  # 1, 2 and 5 January, whatever they are


def test_a_syncing_date_whose_run_is_gone_has_failed(make_run: MakeRun, reading: Reading, database: Database) -> None:
    plan_batches(make_run(DAY, run_id="r1"))
    with reading(running=("r1",)) as reader:
        assert coverage(reader, DAY, DAY) == {DAY: "running"}
        assert reader.need(date(2025, 10, 9)) == (False, "2025-10-09 is being synced.")
    with reading() as reader:
        assert coverage(reader, DAY, DAY) == {DAY: "running"}  # may have started since the runs were read
    database.do("UPDATE ashare.work SET started_at = started_at - interval '2 minutes', waits_for = 'a ban'")
    with reading() as reader:
        row = reader.record(date(2025, 10, 9))
        assert row is not None
        assert (row["status"], row["coverage"]) == ("failed", "failed")
        assert row["reason"] == "Its run has ended without a record: run the date again. It waited: a ban"
        assert reader.need(date(2025, 10, 9)) == (True, row["reason"])
        assert reader.counts()["failed"] == 1


def test_what_is_not_all_there_is_never_complete(make_run: MakeRun, reading: Reading, database: Database) -> None:
    complete(make_run(DAY))  # for the calendar
    record(database, "2025-10-10", "success", kinds=["index"], expected=12, loaded=12)
    record(database, "2025-10-13", "failed", expected=312, loaded=310, missing=2, reason="2 of 312 have no bar.")
    record(database, "2025-10-14", "failed", reason="Baostock cannot be reached.")
    record(database, "2025-10-15", "skipped")
    with reading() as reader:
        rows = {str(row["trade_date"]): row for row in reader.records(end=date(2025, 10, 15))}
        assert {day: row["coverage"] for day, row in rows.items()} == {
            "2025-10-09": "complete",
            "2025-10-10": "partial",
            "2025-10-13": "partial",
            "2025-10-14": "failed",
            "2025-10-15": "missing",  # a session, by the calendar as it is known now
        }
        assert rows["2025-10-10"]["reason"] == "Only index was asked for."
        assert rows["2025-10-15"]["status"] == "pending"
        newest = reader.bounds().newest
        assert newest is not None
        assert newest["trade_date"] == date(2025, 10, 9)
        assert len(reader.wanting(date(2025, 10, 9), date(2025, 10, 15))) == 4
        assert reader.open_range() == (date(2025, 10, 10), date(2025, 10, 31))
        assert [str(row["trade_date"]) for row in reader.records(status="failed")] == [
            "2025-10-14",
            "2025-10-13",
            "2025-10-10",
        ]


def test_missing_securities_are_named_with_the_reason_of_their_batch(
    make_run: MakeRun, reading: Reading, emulator: Emulator, database: Database
) -> None:
    emulator.add_fault(fault(MARKET, "close_before_reply", times=0))
    run = make_run(DAY)
    with pytest.raises(Exception, match="closed the connection"):
        complete(run)
    with pytest.raises(IncompleteDate):
        record_status(run)
    with reading() as reader:
        row = reader.record(date(2025, 10, 9))
        assert row is not None
        total, missing = reader.missing(row)
        assert total == row["missing"] == len(missing) > 300
        stocks = [one for one in missing if one["kind"] == "stock"]
        assert all("closed the connection" in one["reason"] for one in stocks)
        assert {one["reason"] for one in missing if one["kind"] == "index"} == {"Not asked for yet."}
        assert any(
            "closed the connection" in (batch["error"] or "") for batch in reader.rows.batches(row["trade_date"])
        )
    assert database.rows("SELECT reason FROM ashare.sync_status")[0][0] == row["reason"]


def test_absent_rejected_and_revised_bars_are_listed(make_run: MakeRun, reading: Reading, database: Database) -> None:
    complete(make_run(DAY))
    (code,) = database.rows("SELECT code FROM ashare.daily_bar WHERE code LIKE 'sh.60%%' ORDER BY code LIMIT 1")[0]
    database.do("INSERT INTO ashare.absent_bar VALUES (%s, %s, 'not there', now(), 'r')", DAY, code)
    database.do(
        "INSERT INTO ashare.rejected_bar (trade_date, code, rule, raw) VALUES (%s, %s, 'high below low', %s)",
        *(DAY, code, json.dumps({"high": "1"})),
    )
    database.do(
        "INSERT INTO ashare.bar_revision (trade_date, code, old, new) VALUES (%s, %s, %s, %s)",
        *(DAY, code, json.dumps({"close": 10.1}), json.dumps({"close": 10.2})),
    )
    with reading() as reader:
        day = date(2025, 10, 9)
        total, absent = reader.rows.listed("absent", day)
        assert (total, absent[0]["code"], absent[0]["reason"]) == (1, code, "not there")
        total, rejected = reader.rows.listed("rejected", day)
        assert (total, rejected[0]["rule"], rejected[0]["raw"]) == (1, "high below low", {"high": "1"})
        total, revisions = reader.rows.listed("revisions", day)
        assert (total, revisions[0]["old"], revisions[0]["new"]) == (1, {"close": 10.1}, {"close": 10.2})
        assert {check["rule"] for check in reader.rows.checks(day)} >= {"universe", "pct_chg"}


def test_a_days_securities_have_that_days_name_and_what_its_bar_says(
    make_run: MakeRun, reading: Reading, database: Database
) -> None:
    complete(make_run(DAY))
    day, monday = date(2025, 10, 9), date(2025, 10, 6)
    limited = (
        "SELECT l.code FROM ashare.daily_limit l JOIN ashare.daily_bar b USING (trade_date, code) "
        "WHERE l.limit_up IS NOT NULL AND b.is_trading ORDER BY l.code LIMIT 4"
    )
    codes = [code for (code,) in database.rows(limited)]
    up, down, renamed, plain = codes
    for code, side in ((up, "up"), (down, "down")):
        database.do(
            f"UPDATE ashare.daily_bar b SET close = l.limit_{side}, high = l.limit_{side}, low = l.limit_{side} "
            "FROM ashare.daily_limit l WHERE l.code = b.code AND l.trade_date = b.trade_date AND b.code = %s",
            code,
        )
    database.do("UPDATE ashare.daily_bar SET is_st = true WHERE code = %s", renamed)
    for code in codes:
        database.do("INSERT INTO ashare.absent_bar VALUES (%s, %s, 'not there', now(), 'r')", DAY, code)
    today = dict(database.rows("SELECT code, name FROM ashare.security"))

    def seen() -> dict[str, tuple[str, bool, bool, str | None]]:
        with reading() as reader:
            names = ("name", "is_name_of_today", "is_st", "at_limit")
            return {row["code"]: tuple(row[name] for name in names) for row in reader.rows.listed("absent", day)[1]}

    assert seen() == {
        up: (today[up], True, False, "up"),
        down: (today[down], True, False, "down"),
        renamed: (today[renamed], True, True, None),
        plain: (today[plain], True, False, None),
    }
    spans = [(up, "former", "2025-09-01", "2025-10-06"), (down, "its own", "2025-09-01", None)]
    spans += [(renamed, "former", "2025-09-01", "2025-10-06"), (renamed, "*ST", "2025-10-06", "2025-10-13")]
    for span in spans:
        database.do("INSERT INTO ashare.security_name VALUES (%s, %s, %s, %s)", *span)
    snapshot = (
        "INSERT INTO ashare.snapshot (dataset, as_of, rows, update_date) VALUES ('security_name', %(at)s, 2, %(at)s)"
    )
    with database.connect() as connection:
        connection.execute(snapshot, {"at": date(2025, 9, 29)})
    # The newest list is of the week before: it says nothing of this day, unless a later list ended the span.
    assert {code: row[:2] for code, row in seen().items()} == {
        up: (today[up], True),
        down: (today[down], True),
        renamed: ("*ST", False),
        plain: (today[plain], True),
    }
    with database.connect() as connection:
        connection.execute(snapshot, {"at": monday})
    assert {code: row[:2] for code, row in seen().items() if not row[1]} == {
        down: ("its own", False),
        renamed: ("*ST", False),
    }
    with reading() as reader:
        counted = reader.rows.at_limit(day)
    truth = database.rows("SELECT sum(is_limit_up::int), sum(is_limit_down::int) FROM ashare.daily_limit")[0]
    assert (counted["up"], counted["down"]) == truth
    assert min(truth) >= 1


def test_a_plan_tells_dates_requests_and_what_the_budget_means(
    make_run: MakeRun, reading: Reading, emulator: Emulator
) -> None:
    complete(make_run(DAY))
    start, end = date(2025, 10, 1), date(2025, 10, 17)
    with reading() as reader:
        plan = dry_run(reader, start, end)
        assert (plan.weekdays, plan.closed, plan.complete, len(plan.to_sync)) == (13, 6, 1, 6)
        assert plan.requests_left == 40_000 - 1_000 - len(emulator.requests)
        assert plan.notes == []
        assert dry_run(reader, date(2025, 10, 9), date(2025, 10, 9)).requests == 0
    with reading(request_budget=len(emulator.requests) + 15, history_reserve=5) as reader:
        note = dry_run(reader, start, end).notes[0]
        assert "and 10 are left today: it waits for midnight" in note
        old = dry_run(reader, date(2005, 1, 3), date(2005, 1, 31))
        listed = reader.rows.connection.execute(
            "SELECT count(*) FROM ashare.expected_security('2005-01-31', '{stock}', '{}')"
        ).fetchone()
        assert listed is not None
        assert old.requests >= listed[0] > 10
        assert f"each of {listed[0]} stocks is asked for by itself" in old.notes[0]


def test_a_plan_to_read_dates_again_tells_dates_requests_and_what_is_left_out(
    make_run: MakeRun, reading: Reading, emulator: Emulator, database: Database
) -> None:
    for day in (DAY, NEXT, "2025-10-13"):
        complete(make_run(day))
    make_run(DAY).store.accepted.accept(date(2025, 10, 13), ("stock", "index"), reason="x", problem="p", who="li")
    database.do("UPDATE ashare.counted_partition SET missing = 1 WHERE partition = '2025-10-13'")
    start, end = date(2025, 10, 1), date(2025, 10, 13)
    with reading() as reader:
        plan = dry_run_of_verification(reader, start, end)
        assert (plan.weekdays, plan.closed, plan.complete) == (9, 6, 2)
        assert plan.to_sync == [date(2025, 10, 10), date(2025, 10, 9)]
        assert plan.requests == 2 * 4
        assert 2 < plan.seconds < 20
        assert plan.notes == [
            "1 date is accepted as loaded, and not read again.",
            "Indices are not compared: Baostock has no call that brings all of them.",
        ]
        more = dry_run_of_verification(reader, start, date(2025, 10, 14))
        assert more.to_sync[0] == date(2025, 10, 14)
        assert more.requests > plan.requests
        assert "1 date is not complete, and synced as always." in more.notes
        with pytest.raises(InvalidInput, match="from 2010-01-01 on"):
            dry_run_of_verification(reader, date(2009, 12, 31), end)
    before = len(emulator.requests)
    for day in (DAY, NEXT):
        complete(make_run(day, verify=True))
    assert len(emulator.requests) - before == plan.requests
    with reading(request_budget=len(emulator.requests) + 7, history_reserve=0) as reader:
        assert "About 8 requests, and 7 are left today: it waits for midnight" in str(
            dry_run_of_verification(reader, start, end).notes
        )


def test_the_estimate_of_requests_is_near_the_truth(make_run: MakeRun, reading: Reading, emulator: Emulator) -> None:
    complete(make_run(DAY))
    days = ("2025-10-10", "2025-10-13", "2025-10-14", "2025-10-15", "2025-10-16", "2025-10-17")
    with reading() as reader:
        estimate = dry_run(reader, date(2025, 10, 10), date(2025, 10, 17)).requests
    before = len(emulator.requests)
    for day in days:
        complete(make_run(day))
    assert (
        0.5 <= estimate / (len(emulator.requests) - before) <= 6
    )  # never too few by half; one date is little to go by


def test_a_security_shows_its_holes_and_suspensions(make_run: MakeRun, reading: Reading, database: Database) -> None:
    for day in (DAY, "2025-10-10", "2025-10-14"):
        complete(make_run(day))
    codes = "SELECT code FROM ashare.security WHERE kind = 'stock' AND ipo_date < '2025-01-01' AND out_date IS NULL"
    (code,) = database.rows(f"{codes} ORDER BY code LIMIT 1")[0]
    database.do("DELETE FROM ashare.daily_bar WHERE code = %s AND trade_date = '2025-10-10'", code)
    database.do("UPDATE ashare.daily_bar SET is_trading = false WHERE code = %s AND trade_date = '2025-10-09'", code)
    with reading("2025-10-15T12:00") as reader:
        found = reader.security(code)
        assert found is not None
        assert (found["first_bar"], found["last_bar"], found["bars"]) == (date(2025, 10, 9), date(2025, 10, 14), 2)
        spans = [(str(span["start_date"]), span["sessions"], span["reason"]) for span in found["holes"]]
        assert spans == [("2025-10-13", 1, "date missing"), ("2025-10-10", 1, "date failed")]
        assert [str(span["start_date"]) for span in found["suspensions"]] == ["2025-10-09"]
        assert found["years"] == [
            {"year": 2025, "sessions": 4, "trading": 1, "suspended": 1, "explained": 0, "holes": 2}
        ]
        assert reader.security("sh.999999") is None


def test_a_security_shows_its_names_indices_industries_and_newest_limits(
    make_run: MakeRun, reading: Reading, database: Database
) -> None:
    for day in (DAY, NEXT):
        complete(make_run(day))
    limited = (
        "SELECT code FROM ashare.daily_limit WHERE trade_date = %s AND limit_up IS NOT NULL ORDER BY code LIMIT 1"
    )
    (code,) = database.rows(limited, NEXT)[0]
    lists = {
        INDEX_MEMBERS: (["sh.000300", code], None, ["sh.000300", code]),
        INDUSTRIES: (["old", code, "J66"], ["new", code, None], ["new", code, None]),
        NAMES: ([code, "one"], [code, "two"], [code, "two"]),
    }
    mondays = [date(2025, 9, 15), date(2025, 9, 22), date(2025, 9, 29)]
    with Store(database.connect) as store:
        for dataset, rows in lists.items():
            for monday, row in zip(mondays, rows, strict=True):
                listed = [tuple(row)] if row else []
                store.weekly_lists.save([WeeklyList(dataset, monday, monday, listed)], "weekly")
    with reading() as reader:
        found = reader.security(code)
        assert found is not None
        index = reader.security("sh.000300")
        assert index is not None
    spans = {name: [tuple(row.values()) for row in found[name]] for name in ("names", "memberships", "industries")}
    (index_name,) = database.rows("SELECT name FROM ashare.security WHERE code = 'sh.000300'")[0]
    first, second, third = mondays
    assert spans == {
        "names": [("two", second, None), ("one", first, second)],
        "memberships": [
            ("sh.000300", index_name, third, None),
            ("sh.000300", index_name, first, second),
        ],
        "industries": [(None, "new", second, None), ("J66", "old", first, second)],
    }
    limits = "SELECT trade_date, limit_up, limit_down FROM ashare.daily_limit WHERE code = %s AND trade_date = %s"
    assert tuple(found["newest_limit"].values())[:3] == database.rows(limits, code, NEXT)[0]
    assert (index["newest_limit"], index["memberships"], index["names"]) == (None, [], [])


def test_adjusted_prices_give_the_returns_that_pct_chg_says(
    make_run: MakeRun, reading: Reading, database: Database, market: GeneratedMarket
) -> None:
    days = [day for day, is_open in market.trade_dates(date(2025, 10, 9), date(2025, 10, 31)) if is_open]
    for day in days:
        complete(make_run(str(day)))
    going_ex = database.rows(
        "SELECT code FROM ashare.adjust_factor WHERE ex_date > '2025-10-09' ORDER BY ex_date, code"
    )
    assert going_ex
    for (code,) in going_ex:
        truth = dict(database.rows("SELECT trade_date, pct_chg FROM ashare.daily_bar WHERE code = %s", code))
        for adjust in ("qfq", "hfq"):
            with reading() as reader:
                bars, note = reader.bars(code, adjust)
            assert note is None
            closes = [(row[0], row[2]) for row in bars if row[2]]
            for (_, before), (day, close) in pairwise(closes):
                if truth[day] is not None:
                    said = pytest.approx(float(truth[day]), abs=0.15)  # prices are rounded to a hundredth
                    assert (close / before - 1) * 100 == said, (code, adjust, day)
            if adjust == "qfq":
                raw = database.rows("SELECT close FROM ashare.daily_bar WHERE code = %s ORDER BY trade_date", code)
                assert closes[-1][1] == pytest.approx(float(raw[-1][0]))


def test_nothing_can_be_written(make_run: MakeRun, reading: Reading, database: Database) -> None:
    make_run(DAY)
    with pytest.raises(StoreUnavailable, match="read-only transaction"), reading() as reader:
        reader.rows.connection.execute("DELETE FROM ashare.work")


def test_a_database_without_the_schema_or_away_is_said_in_a_sentence(reading: Reading, database: Database) -> None:
    database.do("DROP SCHEMA ashare CASCADE")
    with pytest.raises(StoreUnavailable, match="The schema ashare is not there yet"), reading() as reader:
        reader.counts()

    def away() -> psycopg.Connection[Any]:
        return psycopg.connect(host="127.0.0.1", port=1, password="s3cret", connect_timeout=2)

    with pytest.raises(StoreUnavailable, match="cannot be reached") as told, status_reader(Store(away)):
        pass
    assert "s3cret" not in str(told.value)


def test_a_range_is_checked() -> None:
    assert parse_trade_date_range("2025-01-01", "2025-03-31", most_days=90) == (date(2025, 1, 1), date(2025, 3, 31))
    with pytest.raises(InvalidInput, match=r"is 91 days, and at most 90 can be started here.*airflow dags backfill"):
        parse_trade_date_range("2025-01-01", "2025-04-01", most_days=90)
    with pytest.raises(InvalidInput, match="swap them"):
        parse_trade_date_range("2025-01-02", "2025-01-01")
    with pytest.raises(InvalidInput, match="YYYY-MM-DD"):
        parse_trade_date_range("01/02/2025", "2025-01-01")
    with pytest.raises(InvalidInput, match="in the future"):
        parse_trade_date_range("2025-01-02", "2999-01-01")
