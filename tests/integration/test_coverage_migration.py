"""What 0013 makes of each kind of row of ``sync_status``: the state is what it was, or the difference is named."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from psycopg import sql
from psycopg.rows import dict_row

from ashare.errors import InvalidInput
from ashare.store import migrate
from tests.conftest import AtVersion, Database

DAY, BEFORE = "2025-10-09", "2025-09-30"
STARTED, FINISHED, CHECKED = (f"2025-10-09 18:{minute}:00+08" for minute in (10, 20, 19))
ASKED = "{stock_bar,index_bar,adjust_factor}"

OLD_STATE = "SELECT * FROM ashare.trade_date_state('2025-10-10', '{alive}') WHERE trade_date = '2025-10-09'"
STATE = f"""
SELECT * FROM ashare.trade_date_state('{ASKED}', '2025-10-09', '2025-10-09', '2025-01-01', '2025-10-10', '{{alive}}')
"""
RECORD = "SELECT * FROM ashare.sync_status WHERE trade_date = '2025-10-09'"
PARTITIONS = """
SELECT dataset, state FROM ashare.partition_state(
    '{stock_bar,index_bar,etf_bar,adjust_factor}', '2025-10-09', '2025-10-09', '2025-01-01', '2025-10-10', '{alive}')
"""
OF_NOW = {"loaded", "revised", "requests"}

Values = Mapping[str, Any]


@dataclass(frozen=True)
class Case:
    """A row of ``sync_status`` at version 11.

    :ivar row: without what is usual.
    :ivar bars: codes that have a bar.
    :ivar factors: status of the batch of adjust factors; ``None``: there is none.
    :ivar accepted: kinds for which a person accepted the date.
    :ivar changes: values of the function that are others afterwards, and why they are is said beside the case.
    :ivar record_changes: the same, of the view.
    :ivar states: the state of each dataset afterwards.
    """

    row: Values
    bars: Sequence[str] = ("sh.600000", "sh.600001", "sh.600002", "sh.000001", "sh.000300")
    factors: str | None = "success"
    accepted: str | None = None
    changes: Values = field(default_factory=dict)
    record_changes: Values = field(default_factory=dict)
    states: Values = field(default_factory=dict)


USUAL: Values = {"trade_date": DAY, "kinds": "{stock,index}", "run_id": "alive", "started_at": STARTED}
COUNTED: Values = {
    "expected": 6,  # one has no bar at the source
    "loaded": 5,
    "suspended": 1,
    "missing": 0,
    "rejected": 0,
    "finished_at": FINISHED,
    "checked_at": CHECKED,
}
SUCCESS: Values = {**COUNTED, "status": "success", "complete_kinds": "{stock,index}"}
STOCKS = ("sh.600000", "sh.600001", "sh.600002")
COMPLETE = {"stock_bar": "complete", "index_bar": "complete", "adjust_factor": "complete"}
STAYS = {"status": "success", "coverage": "complete"}
FAILURE = "1 of 6 securities have no bar: sh.000300."
ACCEPTANCE = "accepted by li on 2025-10-09: so it was; 1 bar lacks."

CASES = {
    "success": Case(SUCCESS, states=COMPLETE),
    "success with a note": Case({**SUCCESS, "reason": "1 bar was rejected", "rejected": 1}, states=COMPLETE),
    "success without a batch of factors": Case(SUCCESS, factors=None, states=COMPLETE),
    "success of stock alone": Case(
        {**SUCCESS, "kinds": "{stock}", "complete_kinds": "{stock}", "expected": 3, "loaded": 3},
        STOCKS,
        # The function is asked for a date with indices, which nobody has loaded. The record says what was asked for.
        changes={"status": "failed", "coverage": "partial", "reason": "Only stock was asked for."},
        states={"stock_bar": "complete", "index_bar": "missing", "adjust_factor": "complete"},
    ),
    "success of index alone": Case(
        {**SUCCESS, "kinds": "{index}", "complete_kinds": "{index}", "expected": 2, "loaded": 2, "checked_at": None},
        ("sh.000001", "sh.000300"),
        # A date without stocks is not complete; its coverage was `partial`, too.
        changes={"status": "failed"},
        states={"stock_bar": "missing", "index_bar": "complete"},
    ),
    "success, complete for other kinds as well": Case(
        {**SUCCESS, "kinds": "{index}", "expected": 2, "loaded": 2},
        # The figures are those of both kinds now.
        changes={"kinds": ["stock", "index"], "expected": 5, **STAYS, "reason": None},
        record_changes={"kinds": ["stock", "index"], "expected": 5},
        states=COMPLETE,
    ),
    "success whose rows are gone": Case(
        SUCCESS,
        ("sh.600000", "sh.000001", "sh.000300"),
        # Nobody saw that rows were deleted.
        changes={
            "status": "failed",
            "coverage": "partial",
            "missing": 2,
            "reason": "2 bars that were counted are gone: run the date again.",
        },
        record_changes={
            "status": "failed",
            "missing": 2,
            "complete_kinds": ["index"],
            "reason": "2 bars that were counted are gone: run the date again.",
        },
        states={"stock_bar": "partial", "index_bar": "complete"},
    ),
    "syncing": Case(
        {"status": "syncing", "checked_at": CHECKED},
        (),
        None,
        states={"stock_bar": "running", "index_bar": "running"},
    ),
    "syncing, and waiting": Case({"status": "syncing", "reason": "the market is not out"}, (), None),
    "syncing without a run": Case({"status": "syncing", "run_id": "dead"}, (), None),
    "syncing, and complete before": Case(
        {**SUCCESS, "status": "syncing", "finished_at": None, "reason": "the market is not out"},
        factors="running",
        # What is complete stays so while a run works on it. The count's own end is not known any more.
        changes={**STAYS, "reason": None, "finished_at": STARTED},
        record_changes={"status": "success", "reason": None, "finished_at": STARTED},
        states=COMPLETE,
    ),
    "syncing of other kinds, and complete before": Case(
        {**SUCCESS, "kinds": "{etf}", "status": "syncing", "finished_at": None},
        changes={**STAYS, "kinds": ["stock", "index"], "finished_at": STARTED},
        # The record is of funds as well.
        record_changes={"kinds": ["stock", "index", "etf"]},
        states=COMPLETE,
    ),
    "failed": Case(
        {**COUNTED, "status": "failed", "expected": 7, "missing": 1, "reason": FAILURE},
        # Nobody knows of which kind the missing bar is.
        states={"stock_bar": "partial", "index_bar": "failed", "adjust_factor": "complete"},
    ),
    "failed, nothing loaded": Case(
        {**COUNTED, "status": "failed", "loaded": 0, "missing": 6, "reason": FAILURE}, (), "failed"
    ),
    "failed by a contradiction": Case(
        {**COUNTED, "status": "failed", "reason": "preclose differs."},
        states={"stock_bar": "failed", "index_bar": "failed"},
    ),
    "failed for want of factors": Case(
        {**COUNTED, "status": "failed", "reason": "The adjust factors of the date are not in."},
        factors="failed",
        states={"stock_bar": "failed", "index_bar": "failed", "adjust_factor": "missing"},
    ),
    "failed, too many rejected": Case(
        {**COUNTED, "status": "failed", "expected": 16, "rejected": 10, "reason": "10 bars were rejected."},
        states={"stock_bar": "partial", "index_bar": "failed"},
    ),
    "failed for other kinds than those that a person accepted": Case(
        {**COUNTED, "status": "failed", "expected": 7, "missing": 1, "reason": FAILURE},
        accepted="{stock}",
        states={"stock_bar": "accepted", "index_bar": "partial", "adjust_factor": "complete"},
    ),
    "failed before the count": Case({"status": "failed", "finished_at": FINISHED, "reason": "no reply"}, (), None),
    "failed before the count, with bars": Case(
        {"status": "failed", "finished_at": FINISHED, "checked_at": CHECKED, "reason": "no reply"},
        factors=None,
        changes={"coverage": "partial"},  # bars are there
        states={"stock_bar": "partial", "index_bar": "failed"},
    ),
    "failed before the count, and complete before": Case(
        {**SUCCESS, "status": "failed", "expected": None, "missing": None, "reason": "no reply"},
        factors="failed",
        # A run that failed takes nothing away.
        changes={**STAYS, "expected": 5, "missing": 0, "reason": None},
        record_changes={"status": "success", "expected": 5, "missing": 0, "reason": None},
        states=COMPLETE,
    ),
    "failed before the count of other kinds, and complete before": Case(
        {
            **SUCCESS,
            "kinds": "{stock}",
            "complete_kinds": "{index}",
            "status": "failed",
            "expected": None,
            "missing": None,
            "loaded": 2,
            "checked_at": None,
            "reason": "no reply",
        },
        ("sh.000001", "sh.000300"),
        changes={"kinds": ["stock", "index"], "expected": 2, "missing": 0},
        record_changes={"kinds": ["stock", "index"], "expected": 2, "missing": 0},
        states={"stock_bar": "failed", "index_bar": "complete"},
    ),
    "skipped": Case(
        {"status": "skipped", "finished_at": FINISHED, "reason": "no session"},
        (),
        None,
        states={"stock_bar": "missing", "index_bar": "missing"},
        # The calendar of these tests has a session.
        record_changes={"none": True},
        changes={"kinds": []},
    ),
    "accepted": Case(
        {**SUCCESS, "expected": 7, "missing": 1, "reason": ACCEPTANCE},
        accepted="{stock,index}",
        record_changes={"complete_kinds": []},  # accepted is not complete
        states={"stock_bar": "accepted", "index_bar": "accepted", "adjust_factor": "complete"},
    ),
    "accepted, and a run works": Case(
        {**SUCCESS, "status": "syncing", "expected": 7, "missing": 1, "finished_at": None},
        accepted="{stock,index}",
        changes={"status": "success", "coverage": "accepted", "reason": ACCEPTANCE},
        record_changes={"status": "success", "reason": ACCEPTANCE, "complete_kinds": []},
    ),
    "accepted without factors": Case(
        {**SUCCESS, "expected": 7, "missing": 1, "reason": ACCEPTANCE},
        factors="failed",
        accepted="{stock,index}",
        record_changes={"complete_kinds": []},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_state_after_is_what_it_was(name: str, at_version: AtVersion) -> None:
    case = CASES[name]
    database = at_version(11)
    fill(database, case)
    state, record = one(database, OLD_STATE), one(database, RECORD)
    with database.connect() as connection:
        migrate(connection)
    changes = {key: moment(database, value) if key.endswith("_at") else value for key, value in case.changes.items()}
    after = one(database, STATE)
    wanted = {key: value for key, value in state.items() if key not in OF_NOW} | changes
    assert {key: after[key] for key in wanted} == wanted
    states = dict(database.rows(PARTITIONS))
    assert {key: states[key] for key in case.states} == case.states
    if "none" in case.record_changes:
        assert database.rows(RECORD) == []
        return
    changes = {
        key: moment(database, value) if key.endswith("_at") else value for key, value in case.record_changes.items()
    }
    after = one(database, RECORD)
    wanted = {key: value for key, value in record.items() if key not in OF_NOW} | changes
    assert {key: after[key] for key in wanted} == wanted


def test_a_closed_day_stays_closed(at_version: AtVersion) -> None:
    database = at_version(11)
    rows = ("{stock,index}", "{index}", "{}")
    for n, kinds in enumerate(rows, start=4):
        put(
            database,
            "sync_status",
            {**USUAL, "trade_date": f"2025-10-{n:02}", "kinds": kinds, "status": "skipped", "reason": "no session"},
        )
    with database.connect() as connection:
        migrate(connection)
    assert database.rows("SELECT trade_date::text, status, reason FROM ashare.sync_status ORDER BY 1") == [
        (f"2025-10-{n:02}", "skipped", "no session") for n, _ in enumerate(rows, start=4)
    ]
    assert database.rows(
        "SELECT DISTINCT status, coverage, reason FROM ashare.trade_date_state(%s, '2025-10-04', '2025-10-05', "
        "'2025-01-01', '2025-10-10', NULL)",
        ASKED,
    ) == [("skipped", "closed", "no session")]


def test_factors_that_were_loaded_twice_are_one_fact(at_version: AtVersion) -> None:
    database = at_version(11)
    for number, (status, rows) in enumerate((("success", 1), ("success", 2), ("failed", 9))):
        put(
            database,
            "sync_batch",
            {
                "trade_date": DAY,
                "batch_no": number,
                "kind": "factor",
                "by": "code",
                "label": "x",
                "status": status,
                "rows": rows,
                "finished_at": f"2025-10-09 19:0{number}+08",
                "run_id": f"run {number}",
            },
        )
    put(database, "adjust_factor", {"code": "a", "ex_date": DAY, "fore_factor": 1, "back_factor": 1})
    with database.connect() as connection:
        migrate(connection)
    assert database.rows("SELECT dataset, expected, rows, missing, run_id FROM ashare.counted_partition") == [
        ("adjust_factor", 2, 1, 0, "run 1")
    ]


def test_what_was_verified_stays_so(at_version: AtVersion) -> None:
    """Also of a date that was not counted since."""
    database = at_version(11)
    checked = {"2025-10-09": CHECKED, "2025-10-10": "-infinity"}
    for day, moment_ in checked.items():
        put(database, "sync_status", {**USUAL, "trade_date": day, "status": "syncing", "checked_at": moment_})
    with database.connect() as connection:
        migrate(connection)
    assert database.rows(
        "SELECT dataset, partition::text, verified_at = %s::timestamptz, counted_at, is_asked "
        "FROM ashare.counted_partition ORDER BY 2",
        CHECKED,
    ) == [("stock_bar", "2025-10-09", True, None, False), ("stock_bar", "2025-10-10", False, None, False)]


@contextmanager
def who_may_read(database: Database, *tables: str) -> Iterator[str]:
    """A role that may read some tables, and nothing else."""
    role = f"reader_of_{database.name}"
    database.do(f"CREATE ROLE {role}")
    try:
        database.do(f"GRANT USAGE ON SCHEMA ashare TO {role}")
        database.do(f"GRANT SELECT ON {', '.join(f'ashare.{table}' for table in tables)} TO {role}")
        yield role
    finally:
        database.do(f"DROP OWNED BY {role}")
        database.do(f"DROP ROLE {role}")


def test_batches_of_dates_and_of_histories_are_in_one_table_and_readable_as_before(at_version: AtVersion) -> None:
    """Also where the id of a history's run looks like a date."""
    database = at_version(13)
    piece = {"kind": "stock", "label": "x", "status": "success", "rows": 7}
    put(database, "sync_batch", {**piece, "trade_date": DAY, "batch_no": 1, "by": "market_day", "run_id": "r"})
    put(database, "history_batch", {**piece, "run_id": DAY, "batch_no": 1, "codes": "{a}"})
    with who_may_read(database, "sync_batch", "history_batch") as reader:
        with database.connect() as connection:
            migrate(connection)
        with database.connect() as connection:
            connection.execute(f"SET ROLE {reader}")
            for view, key in (("sync_batch", "trade_date::text"), ("history_batch", "run_id")):
                found = connection.execute(f"SELECT {key}, batch_no, rows FROM ashare.{view}").fetchall()
                assert found == [(DAY, 1, 7)]
    assert database.rows("SELECT plan, trade_date::text FROM ashare.batch ORDER BY 1") == [
        (DAY, DAY),
        (f"history {DAY}", None),
    ]


@pytest.mark.parametrize("granted", ["sync_status", "daily_sync_status"])
def test_who_was_allowed_to_read_the_status_still_is(at_version: AtVersion, granted: str) -> None:
    database = at_version(11)
    put(database, "sync_status", {**USUAL, "trade_date": DAY, "status": "failed", "reason": "why"})
    with who_may_read(database, granted) as reader:
        with database.connect() as connection:
            migrate(connection)
        with database.connect() as connection:
            connection.execute(f"SET ROLE {reader}")
            assert connection.execute(f"SELECT status FROM ashare.{granted}").fetchall() == [("failed",)]


def test_a_view_of_somebody_else_on_the_old_table_is_named(at_version: AtVersion) -> None:
    database = at_version(11)
    database.do("CREATE VIEW public.board AS SELECT status FROM ashare.sync_status")
    with database.connect() as connection, pytest.raises(InvalidInput, match="view board depends on"):
        migrate(connection)
    database.do("DROP VIEW public.board")
    with database.connect() as connection:
        assert "0013_coverage.sql" in migrate(connection)


def test_a_view_of_somebody_else_on_the_view_stays(at_version: AtVersion) -> None:
    database = at_version(11)
    put(database, "sync_status", {**USUAL, "trade_date": DAY, "status": "failed", "reason": "why"})
    database.do("CREATE VIEW public.board AS SELECT sync_date::text, status, remarks FROM ashare.daily_sync_status")
    with database.connect() as connection:
        migrate(connection)
    assert database.rows("SELECT * FROM public.board") == [(DAY, "failed", "why")]


def fill(database: Database, case: Case) -> None:
    for day in (BEFORE, DAY):
        put(database, "trade_calendar", {"calendar_date": day, "is_trading_day": True})
    kinds = {"sh.6": "stock", "sh.0": "index", "sh.5": "etf"}
    for code in ("sh.600000", "sh.600001", "sh.600002", "sh.000001", "sh.000300", "sh.510300"):
        put(database, "security", {"code": code, "kind": kinds[code[:4]]})
    for code in case.bars:
        put(database, "daily_bar", {"trade_date": DAY, "code": code, "is_trading": True})
    if case.factors:
        batch = {"trade_date": DAY, "batch_no": 0, "kind": "factor", "by": "code", "label": "factors", "rows": 0}
        put(database, "sync_batch", {**batch, "status": case.factors, "finished_at": FINISHED, "run_id": "alive"})
    if case.accepted:
        accepted = {"trade_date": DAY, "kinds": case.accepted, "reason": "so it was", "problem": "1 bar lacks"}
        put(database, "accepted_date", {**accepted, "fingerprint": "", "accepted_by": "li", "accepted_at": FINISHED})
    put(database, "sync_status", {**USUAL, **case.row})


def put(database: Database, table: str, row: Values) -> None:
    with database.connect() as connection:
        connection.execute(
            sql.SQL("INSERT INTO ashare.{} ({}) VALUES ({})").format(
                sql.Identifier(table),
                sql.SQL(", ").join(map(sql.Identifier, row)),
                sql.SQL(", ").join(map(sql.Literal, row.values())),
            )
        )


def one(database: Database, query: str) -> dict[str, Any]:
    with database.connect() as connection:
        (row,) = connection.cursor(row_factory=dict_row).execute(query.encode()).fetchall()
        return row


def moment(database: Database, text: str) -> Any:
    ((value,),) = database.rows("SELECT %s::timestamptz", text)
    return value
