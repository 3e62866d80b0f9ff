"""From each earlier version of the schema to today's, with rows in every table: nothing is lost, nothing differs.

With a new migration file add its line to ``RELEASED``, and rows for its new tables and columns to ``ROWS``; what is
lacking is said by the tests, which take up the new version by themselves.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from ashare.errors import InvalidInput, StoreBusy
from ashare.store import Store, migrate
from ashare.store.migrate import MIGRATIONS, applied
from ashare_local import PROJECT
from ashare_local.postgres import bin_dir
from tests.conftest import AtVersion, Database, Databases
from tests.waiting import until

module = importlib.import_module("ashare.store.migrate")

FILES = sorted(MIGRATIONS.glob("[0-9]*.sql"))
TODAY = len(FILES)

RELEASED = {
    "0001_tables.sql": "053043db82e920e540e75a0e9ce3479e186823e86ebc9a61bf686abc35a6a98e",
    "0002_source_limit.sql": "067587f14b6e637cec59444e125d8194182d6ba13850aa647625b36bc399f991",
    "0003_cross_checks.sql": "22b2463e2c0114b7b0e1054780f605b69465b46b9d143dc7bcfd2eb19af32b99",
    "0004_trade_date_state.sql": "af3fed3a6610c36a9e29ee7465fab24b884833e2f77c1c0fa915d4c9e7c51ef1",
    "0005_history.sql": "8137d9a8807a26f6f87793b157dbaa368d35fde8ada6930395f36aefb88b1b73",
    "0006_adjusted_prices.sql": "054561cba11c0e3f7cfb51420edd3703c19f2a8ae791e7f6e74a6ee88d8f5ba1",
    "0007_alerts.sql": "0a16e45b8f482ae1add3370d4b9e6ecbb2de4ebcc25264fef6d7b405a445c417",
    "0008_ex_dates.sql": "3aa11c4db11526d4e22eb33bb8fe76518686fef372c30bdb756e3b3fe0daa0ab",
    "0009_evening.sql": "288c78aea05d424ac64f1685a5b0488f150e7743fcd6403b78811b36fed39ca3",
    "0010_lists.sql": "5e2edcd151d89ac91962bdd2d176aae5a0f531c2859c17f4f5f8e86a5c2e1c4d",
    "0011_accepted_dates.sql": "495bb042c282d1cab174b2c05b5886a6f2e95e9e37188d2f0433b5d757bc82e9",
    "0012_row_counts.sql": "f5643393fd5a949552d46813613ad649e9c7c525cf76ad09ffcf96411f26564c",
    "0013_coverage.sql": "963ad685af4584e6ff526be1c3a7404cd084aa315156c1be65670c22048a0959",
    "0014_batch.sql": "82162275ee5cbb8542aab4e631d0555993bada77aeb83d71946e359dc29ea55a",
    "0015_date_summary.sql": "5e285927ce80a26e80112033b766fd2874d41b90e1fdb0244e0312411c4e71fc",
    "0016_reference.sql": "be3fda3b119b65dfc89d735eef4edcfeb6ab9681301dcd059b5d6964636e6b63",
    "0017_limits_and_periods.sql": "9176ac610fcdced5bd9f8e388a7f204a7a235fec4ed7c6baa356c751e0addb01",
    "0018_row_versions.sql": "5013abb2e0d6aaf7dafa1bc81c780691bdd22c1f2696978fd6a56f1c43f442e6",
    "0019_request_count.sql": "da4f40fc12a0a8df1d24156a310699fcfa9c1b66b77c5518cbe1fd9db7ba2f7a",
    "0020_year_summary.sql": "bf804fe34f97649e2a5eeca542ce02054b4df933d983af0288bb1f72d78acbca",
    "0021_verification.sql": "12a098275b233546ac0acca33aa6d9e1a460a758ee0f6296ec5677c4bb26b681",
    "0022_source_outage.sql": "b1422998939f639e5b2866b6f6196b78f6d59f9474b73e93b0fb063631618f8c",
}
"""Databases have run these: whoever has one never runs it again."""

RECORDED = "SELECT * FROM ashare.schema_migration ORDER BY version"
DAY, BEFORE, MOMENT = "2025-10-09", "2025-09-30", "2025-10-09 18:30:00.123456+08"
Row = Mapping[str, str | None]


@pytest.fixture
def database(bare_database: Database) -> Database:
    """These tests make the schema themselves."""
    return bare_database


@pytest.fixture(scope="module")
def fresh(databases: Databases) -> Iterator[str]:
    """The schema of a new database."""
    with databases.copied("migrated") as made:
        yield catalog(made)


def each(column: str, values: str, row: Row, number: str = "") -> list[Row]:
    """The row with each of these values, and with a running number where the key needs one."""
    made: list[Row] = []
    for n, value in enumerate(values.split(), start=1):
        made.append({**row, column: value} | ({number: str(n)} if number else {}))
    return made


def dated(rows: Sequence[Row]) -> list[Row]:
    """Each row on a day of its own."""
    return [{**row, "trade_date": f"2025-09-{n:02}"} for n, row in enumerate(rows, start=1)]


BAR: Row = {
    **dict.fromkeys(("open", "high", "low", "close", "preclose"), "9.6800"),
    **dict.fromkeys(("amount", "turn", "pct_chg"), "-0.000000000000000000012345"),
    **dict.fromkeys(("pe_ttm", "pb_mrq", "ps_ttm", "pcf_ncf_ttm"), "123456789012345678901234567890.5"),
    "trade_date": DAY,
    "code": "sh.600000",
    "volume": "9223372036854775807",
    "is_trading": "true",
    "is_st": "false",
    "loaded_at": MOMENT,
}
STATUS: Row = {
    **dict.fromkeys(("started_at", "finished_at", "checked_at"), MOMENT),
    "kinds": "{stock,index}",
    "reason": "it's \\ 中文\n\t\"",
    "run_id": "scheduled__2025",
}
COUNTS: Row = {
    **dict.fromkeys(("loaded", "suspended", "missing"), "0"),
    **dict.fromkeys(("expected", "rejected"), "3"),
    **dict.fromkeys(("revised", "requests"), "2147483647"),
}
"""No bar, so that none is gone; the figures are summed."""
BATCH: Row = {
    "trade_date": DAY,
    "kind": "stock",
    "by": "code",
    "codes": "{sh.600000,sz.000001}",
    "label": "stocks 1",
    "status": "success",
    "rows": "1",
    "requests": "2",
    "error": "no reply",
    "run_id": "manual",
    "again": f"{{{BEFORE}}}",
    "heals": BEFORE,
    "started_at": MOMENT,
    "finished_at": MOMENT,
}
CHECK: Row = {
    "trade_date": DAY,
    "kind": "stock",
    "compared_with": BEFORE,
    "compared": "5000",
    "deviating": "1",
    "allowed": "15",
    "passed": "true",
    "figures": '{"sum": 1.50}',
    "examples": "{sh.600000}",
    "checked_at": MOMENT,
    "run_id": "manual",
}
RULE: Row = {
    "code_prefix": "sh.60",
    "is_delisting_start": "false",
    "first_day": BEFORE,
    "up_pct": "10",
    "down_pct": "10",
    "source": "an announcement",
}
PIECE: Row = {
    "run_id": "history",
    "kind": "stock",
    "codes": "{sh.600000}",
    "label": "sh.600000",
    "rows": "3000000000",
    "requests": "9",
    "error": "no reply",
    "started_at": MOMENT,
    "finished_at": MOMENT,
}
ALERT: Row = {
    "subject": "2025-10-09 failed",
    "about": "date",
    "run_id": "manual",
    "title": "t",
    "text": "x",
    "end_title": "e",
}

ACCEPTED: Row = {
    "trade_date": DAY,
    "kinds": "{stock,index}",
    "reason": "so it was",
    "problem": "1 of 2 securities have no bar: sh.600000",
    "fingerprint": "1:-5",
    "accepted_by": "li",
    "accepted_at": MOMENT,
}

ROWS: dict[str, Sequence[Row]] = {
    "trade_calendar": [
        {"calendar_date": DAY, "is_trading_day": "true", "fetched_at": MOMENT},
        {"calendar_date": "1990-12-19", "is_trading_day": "false", "fetched_at": "-infinity"},
    ],
    "security": [
        *(
            {
                "code": f"sh.{n}",
                "name": f"浦发 {kind}",
                "kind": kind,
                "ipo_date": "1999-11-10",
                "out_date": "2025-10-01",
            }
            for n, kind in enumerate("stock index etf bond other".split(), start=600000)
        ),
        {
            "code": "sz.000001",
            "name": None,
            "kind": "stock",
            "ipo_date": None,
            "out_date": None,
            "updated_at": MOMENT,
            "missed_lists": "2",
            "gone_from": DAY,
        },
    ],
    "daily_bar": [
        BAR,
        {**BAR, "code": "sh.000001", "is_st": None, "turn": None},
        {"trade_date": "1990-12-19", "code": "sh.600000", "is_trading": "false"},
        {"trade_date": DAY, "code": "sz.000001", "is_trading": "false", "close": "NaN", "volume": "0"},
    ],
    "adjust_factor": [
        {"code": "sh.600000", "ex_date": DAY, "fore_factor": "0.123456", "back_factor": "12.345678"},
        {"code": "sh.600000", "ex_date": "1999-11-11", "fore_factor": "0", "back_factor": "1"},
    ],
    "sync_status": dated(
        [
            {**STATUS, "status": "syncing", "finished_at": None},
            {**STATUS, **COUNTS, "status": "success", "complete_kinds": "{stock,index}"},
            {**STATUS, **COUNTS, "status": "failed", "expected": "9", "suspended": "1", "missing": "2"},
            {**STATUS, "status": "skipped"},
            {"status": "failed", "kinds": "{}"},
        ]
    ),
    # Counts of the bars above come by triggers; these rows add nothing to them.
    "row_count": [{"dataset": "stock_bar", "partition": "2024-01-02", "rows": "0", "version": "0"}],
    "row_count_change": [{"dataset": "stock_bar", "partitions": "{2024-01-02}", "changes": "{0}", "salt": "0"}],
    "date_summary": [
        {
            "trade_date": "2024-01-02",
            "complete": "{stock_bar}",
            **dict.fromkeys(("expected", "loaded", "suspended", "rejected"), "1000000000"),
            **dict.fromkeys(("is_counted", "holds_bars", "is_session"), "true"),
            "is_closed": "false",
        },
        {
            "trade_date": "2024-01-03",
            "complete": "{}",
            **dict.fromkeys(("is_counted", "is_closed", "holds_bars", "is_session"), "false"),
        },
    ],
    "year_summary": [
        {
            "year": "2024",
            "complete": "{stock_bar}",
            **dict.fromkeys(("is_counted", "is_closed", "holds_bars", "is_session"), "true"),
            "days": "{2024-01-02,2024-01-03}",
        }
    ],
    "counted_partition": [
        {
            "dataset": "stock_bar",
            "partition": BEFORE,
            **dict.fromkeys(("expected", "rows", "suspended", "absent", "rejected", "missing"), "1000000000"),
            "problem": "p",
            "note": "n",
            "is_closed": "true",
            "is_asked": "false",
            **dict.fromkeys(("started_at", "counted_at", "verified_at"), MOMENT),
            "run_id": "manual",
        },
        {"dataset": "adjust_factor", "partition": BEFORE},
    ],
    "work": [
        {
            "dataset": "etf_bar",
            "partition": BEFORE,
            "run_id": "manual",
            "waits_for": "the market",
            "error": "no reply",
            **dict.fromkeys(("started_at", "until", "ended_at"), MOMENT),
            "is_asked": "false",
        },
        {"dataset": "etf_bar", "partition": BEFORE, "run_id": "another"},
    ],
    "sync_batch": [
        *each("kind", "stock index etf factor", BATCH, "batch_no"),
        *each("by", "market_day code", {**BATCH, "trade_date": BEFORE}, "batch_no"),
        *each(
            "status", "pending running success failed superseded", {**BATCH, "trade_date": "2025-01-02"}, "batch_no"
        ),
        {
            "trade_date": "2025-01-03",
            "batch_no": "0",
            "kind": "factor",
            "by": "code",
            "label": "x",
            "status": "pending",
        },
    ],
    "snapshot": [
        {
            "dataset": "index_member",
            "as_of": "2025-10-06",
            **dict.fromkeys(("rows", "loaded"), "0"),
            "update_date": "2025-09-29",
            "fetched_at": MOMENT,
            "run_id": "manual",
        },
        {
            "dataset": "industry",
            "as_of": "2025-09-29",
            **dict.fromkeys(("rows", "loaded"), "0"),
            "update_date": "2025-09-29",
            "run_id": None,
        },
    ],
    "index_member": [
        {"index_code": "sh.000300", "code": "sh.600000", "start_date": "2025-09-29", "end_date": "2025-10-06"},
        {"index_code": "sh.000300", "code": "sh.600000", "start_date": "2025-10-13", "end_date": None},
    ],
    "industry": [
        {
            "classification": "证监会行业分类",
            "code": "sh.600000",
            "industry": "J66货币金融服务",
            "start_date": "2025-09-29",
            "end_date": "2025-10-06",
        },
        {"classification": "a", "code": "sh.600001", "industry": None, "start_date": "2025-09-29", "end_date": None},
    ],
    "security_name": [
        {"code": "sh.600000", "name": "*ST 万科A", "start_date": "2025-09-29", "end_date": "2025-10-06"},
        {"code": "sh.600000", "name": "x", "start_date": "2025-10-06", "end_date": None},
    ],
    "bar_revision": [
        {"trade_date": DAY, "code": "a", "old": '{"close": 1.10}', "new": "{}", "revised_at": MOMENT, "run_id": "x"},
        {"trade_date": DAY, "code": "a", "old": '{"close": 1.10}', "new": "null", "run_id": None},
    ],
    "verification": [
        {
            "trade_date": DAY,
            "dataset": dataset,
            "verified_at": MOMENT,
            **dict.fromkeys(("compared", "revised", "inserted", "lacking"), "5000"),
            "run_id": run_id,
        }
        for dataset, run_id in (("stock_bar", "x"), ("adjust_factor", None))
    ],
    "source_outage": [
        {"began_at": MOMENT, "last_at": MOMENT, "error": "x"},
        {"began_at": "2026-03-02 19:00+08", "error": "y"},
    ],
    "rejected_bar": [
        {
            "trade_date": DAY,
            "code": "a",
            "rule": "r",
            "raw": '{"close": "中"}',
            "run_id": "x",
            "superseded_at": MOMENT,
        },
        {"trade_date": DAY, "code": "b", "rule": "r", "raw": "[]", "rejected_at": MOMENT},
    ],
    "absent_bar": [
        {"trade_date": DAY, "code": "a", "reason": "no bar", "recorded_at": MOMENT, "run_id": "x"},
        {"trade_date": DAY, "code": "b", "reason": "", "run_id": None},
    ],
    "absent_range": [
        {
            "code": "sh.000001",
            "first_date": "1991-07-15",
            "last_date": "1999-12-30",
            "reason": "no bar",
            "recorded_at": MOMENT,
            "run_id": "x",
        },
        {"code": "sh.000300", "first_date": DAY, "last_date": DAY, "reason": "", "run_id": None},
    ],
    "blanked_value": [
        {"trade_date": DAY, "code": "sh.600001", "raw": "{}", "run_id": None},
        {"trade_date": DAY, "code": "sh.600000", "raw": '{"peTTM": "-"}', "blanked_at": MOMENT, "run_id": "x"},
    ],
    "rejected_row": [
        *each(
            "dataset",
            "security factor",
            {
                "code": "sh.600000",
                "day": DAY,
                "rule": "r",
                "is_taken": "true",
                "raw": '{"code": "中"}',
                "rejected_at": MOMENT,
                "run_id": "x",
                "superseded_at": MOMENT,
            },
        ),
        {"dataset": "security", "code": "", "rule": "r", "raw": "{}", "day": None, "run_id": None},
    ],
    "source_request": [
        {
            "requested_at": MOMENT,
            "method": "login",
            "detail": "",
            "trade_date": DAY,
            "who": "a run",
            "outcome": outcome,
            "seconds": "0.160",
            "reply_chars": "80",
        }
        for outcome in ("ok", "10001011", "timeout")
    ]
    + [{"method": "login", "detail": "", "who": "died"}],
    # Counts of the requests above come by triggers; this row adds nothing to them.
    "request_count": [{"day": "2024-01-02", "requests": "0"}],
    "cross_check": [
        *each("rule", "universe rows preclose pct_chg ex_dates volume", CHECK),
        {**CHECK, "kind": "etf", "rule": "rows", "passed": None, "compared_with": None, "run_id": None},
    ],
    "price_limit_rule": [
        *each("board", "main star chinext", {**RULE, "is_st": "true", "last_day": DAY}, "rule"),
        *(
            {**RULE, "rule": prefix, "board": "main", "code_prefix": prefix, "listing_sessions": "5"}
            for prefix in ("sh.60", "sz.00", "sh.68", "sz.30")
        ),
    ],
    "history_run": [
        {
            "run_id": "history",
            "first_date": "1990-12-19",
            "last_date": DAY,
            "plan": "all",
            "planned_at": MOMENT,
            "kinds": "{stock,index}",
            "ended_at": MOMENT,
        },
        {"run_id": "stopped", "first_date": DAY, "last_date": DAY, "plan": ""},
    ],
    "history_batch": [
        *each("status", "pending running success failed", PIECE, "batch_no"),
        *each("kind", "stock index etf", {**PIECE, "run_id": "gone"}, "batch_no"),
        {"run_id": "new", "batch_no": "1", "kind": "stock", "codes": "{}", "label": "none"},
    ],
    "publication_look": [{"trade_date": DAY, "waits_for": "stocks", "looks": "2", "looked_at": MOMENT}],
    "unlisted_index": [{"code": "sh.000688", "trade_date": DAY, "noticed_at": MOMENT}],
    "factor_history": [{"code": "sh.600000", "read_at": MOMENT}],
    "alert": [
        {
            **ALERT,
            "trade_date": DAY,
            "first_date": DAY,
            "last_date": DAY,
            **dict.fromkeys(("raised_at", "sent_at", "resolved_at", "end_sent_at"), MOMENT),
            "error": "mail did not take it",
        },
        *each("about", "date run history", ALERT, "subject"),
    ],
    "accepted_date": [
        {**ACCEPTED, "ended_at": MOMENT, "ended_because": "its bars have changed"},
        ACCEPTED,
    ],
}
"""By table; a column that the version at hand does not have is left out."""
SINCE_LIMITS: Mapping[str, Sequence[Row]] = {"cross_check": [{**CHECK, "rule": "limits"}]}
"""Rows that a table takes since the table ``price_limit_rule`` exists."""
ROWS["batch"] = [
    *({**row, "plan": row["trade_date"]} for row in ROWS["sync_batch"]),
    {**PIECE, "plan": "history history", "batch_no": "1", "by": "code", "status": "success"},
    {**PIECE, "plan": "history weeks", "batch_no": "1", "kind": "week", "by": "week", "status": "success"},
]


def test_every_migration_that_was_released_is_as_it_was() -> None:
    for file in FILES:
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        assert file.name in RELEASED, (
            f'{file.name} is new: add "{file.name}": "{digest}" to RELEASED, and rows for its tables to ROWS.'
        )
        assert digest == RELEASED[file.name], (
            f"{file.name} was changed, and databases that have run it will not run it again: put it back, and write "
            f'a new migration. (Only if no release holds it yet: its line in RELEASED becomes "{digest}".)'
        )
    assert [file.name for file in FILES] == sorted(RELEASED), "A released migration is gone: put it back."
    numbers = [int(file.name[:4]) for file in FILES]
    assert numbers == list(range(1, TODAY + 1)), "Migrations are numbered from 1 on without a gap."


@pytest.mark.parametrize("version", range(1, TODAY + 1))
def test_what_a_version_held_is_there_after_the_update(version: int, at_version: AtVersion, fresh: str) -> None:
    database = at_version(version)
    before, recorded_before = fill(database), database.rows(RECORDED)
    with database.connect() as connection:
        assert migrate(connection) == [file.name for file in FILES[version:]]
    assert_held(database, before)
    updated, after = catalog(database), rows_of(database, before)
    for (view,) in database.rows(
        "SELECT oid::regclass::text FROM pg_class WHERE relnamespace = 'ashare'::regnamespace AND relkind = 'v'"
    ):
        database.rows(f"SELECT * FROM {view}")

    recorded = database.rows(RECORDED)
    assert recorded[:version] == recorded_before
    assert [name for _, name, _ in recorded] == [file.name for file in FILES]
    with database.connect() as connection:
        assert migrate(connection) == []
    assert database.rows(RECORDED) == recorded
    assert (rows_of(database, before), catalog(database)) == (after, updated)

    assert updated == fresh


def test_two_processes_at_once(at_version: AtVersion) -> None:
    database = at_version(1)
    before = fill(database)
    code = (
        "import psycopg, sys\nfrom ashare.store import migrate\n"
        "with psycopg.connect() as connection: sys.stdout.write(','.join(migrate(connection)))"
    )
    env = {**os.environ, **database.server.libpq_env(database.name)}
    # Both have seen the old version before either may begin.
    waiting = (
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted "
        "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    with database.connect() as holder:
        holder.execute("SELECT pg_advisory_xact_lock(hashtextextended('ashare schema', 0))")
        processes = [
            subprocess.Popen([sys.executable, "-c", code], env=env, cwd=PROJECT, stdout=subprocess.PIPE, text=True)
            for _ in range(2)
        ]
        deadline = time.monotonic() + 30
        while database.rows(waiting) != [(2,)]:
            assert time.monotonic() < deadline
            time.sleep(0.02)
    said = sorted(process.communicate(timeout=30)[0] for process in processes)
    assert [process.returncode for process in processes] == [0, 0]
    assert said == ["", ",".join(file.name for file in FILES[1:])]
    assert_held(database, before)


@pytest.mark.parametrize("version", [1, TODAY])
def test_a_migration_that_fails_leaves_the_version_before(
    version: int, at_version: AtVersion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = at_version(version)
    before = fill(database)
    broken = tmp_path / "broken"
    shutil.copytree(MIGRATIONS, broken)
    bad = "DELETE FROM ashare.daily_bar; DROP TABLE ashare.security CASCADE; SELECT 1 / 0;"
    (broken / f"{TODAY + 1:04}_bad.sql").write_text(bad)
    monkeypatch.setattr(module, "MIGRATIONS", broken)
    with database.connect() as connection, pytest.raises(psycopg.errors.DivisionByZero):
        migrate(connection)
    with database.connect() as connection:
        assert applied(connection) == TODAY  # each file before it is there, whole
    assert_held(database, before)
    schema, after = catalog(database), rows_of(database, before)
    monkeypatch.undo()
    with database.connect() as connection:  # and the mended release has nothing to take back
        assert migrate(connection) == []
    assert (rows_of(database, before), catalog(database)) == (after, schema)


def test_who_was_killed_between_two_files_goes_on_at_the_next(at_version: AtVersion) -> None:
    code = (
        "import os, psycopg, signal\nfrom ashare.store import migrate\n"
        "from ashare.store.migrate import log\n"
        "log.info = lambda text, name: name.startswith('0003') and os.kill(os.getpid(), signal.SIGKILL)\n"
        "with psycopg.connect() as connection: migrate(connection)"
    )
    database = at_version(1)
    env = {**os.environ, **database.server.libpq_env(database.name)}
    before = fill(database)
    assert subprocess.run([sys.executable, "-c", code], env=env, cwd=PROJECT, timeout=60).returncode == -9
    with database.connect() as connection:
        assert applied(connection) == 3
        assert migrate(connection) == [file.name for file in FILES[3:]]
    assert_held(database, before)


def test_a_history_whose_run_is_named_like_a_trade_date_keeps_its_batches_beside_the_dates(
    at_version: AtVersion,
) -> None:
    database = at_version(13)
    database.do(
        "INSERT INTO ashare.sync_batch (trade_date, batch_no, kind, by, label, status, run_id) "
        "VALUES (%s, 1, 'stock', 'market_day', 'of the date', 'failed', 'daily')",
        DAY,
    )
    database.do(
        "INSERT INTO ashare.history_batch (run_id, batch_no, kind, codes, label, status) "
        "VALUES (%s, 1, 'stock', '{}', 'of the history', 'success')",
        DAY,
    )
    with database.connect() as connection:
        migrate(connection)
    assert database.rows("SELECT label FROM ashare.sync_batch") == [("of the date",)]
    assert database.rows("SELECT run_id, label FROM ashare.history_batch") == [(DAY, "of the history")]


@pytest.mark.parametrize("table", ["sync_batch", "history_batch"])
def test_a_view_of_somebody_else_on_a_table_that_becomes_a_view_is_named(at_version: AtVersion, table: str) -> None:
    database = at_version(13)
    database.do(f"CREATE VIEW public.slow AS SELECT label, rows FROM ashare.{table}")
    with (
        database.connect() as connection,
        pytest.raises(InvalidInput, match=r"view (public\.)?slow depends on .*drop"),
    ):
        migrate(connection)
    database.do("DROP VIEW public.slow")
    with database.connect() as connection:
        assert migrate(connection) == [file.name for file in FILES[13:]]


def test_who_may_read_or_write_the_ledger_may_do_so_with_its_counts(at_version: AtVersion) -> None:
    database = at_version(18)
    insert = "INSERT INTO ashare.source_request (method, detail, who) VALUES ('login', '', 'me')"
    database.do(insert)
    database.do("CREATE ROLE a_reader; CREATE ROLE a_writer")
    try:
        database.do("GRANT USAGE ON SCHEMA ashare TO a_reader, a_writer")
        database.do("GRANT SELECT ON ashare.source_request, ashare.source_limit TO a_reader")
        database.do("GRANT SELECT, INSERT ON ashare.source_request TO a_writer")
        with database.connect() as connection:
            migrate(connection)
        with database.connect() as connection:
            connection.execute("SET ROLE a_writer")
            connection.execute(insert.encode())
            connection.execute("SET ROLE a_reader")
            assert connection.execute("SELECT used_today FROM ashare.source_limit").fetchone() == (2,)
    finally:
        database.do("DROP OWNED BY a_reader, a_writer; DROP ROLE a_reader, a_writer")


def test_who_may_read_revisions_may_read_what_was_compared(at_version: AtVersion) -> None:
    database = at_version(20)
    database.do("CREATE ROLE a_reader")
    try:
        database.do("GRANT USAGE ON SCHEMA ashare TO a_reader; GRANT SELECT ON ashare.bar_revision TO a_reader")
        with database.connect() as connection:
            migrate(connection)
        with database.connect() as connection:
            connection.execute("SET ROLE a_reader")
            assert connection.execute("SELECT count(*) FROM ashare.verification").fetchone() == (0,)
    finally:
        database.do("DROP OWNED BY a_reader; DROP ROLE a_reader")


def test_who_may_read_the_ledger_may_read_the_outages(at_version: AtVersion) -> None:
    database = at_version(21)
    database.do("CREATE ROLE a_reader")
    try:
        database.do("GRANT USAGE ON SCHEMA ashare TO a_reader; GRANT SELECT ON ashare.source_request TO a_reader")
        with database.connect() as connection:
            migrate(connection)
        with database.connect() as connection:
            connection.execute("SET ROLE a_reader")
            assert connection.execute("SELECT count(*) FROM ashare.source_outage").fetchone() == (0,)
    finally:
        database.do("DROP OWNED BY a_reader; DROP ROLE a_reader")


# ---------------------------------------------------------------------- beside others


@pytest.fixture
def altered(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A database of today's version, and a release with two migrations more, which alter tables."""
    store = Store(database.connect)
    store.migrate()
    release = tmp_path / "next"
    shutil.copytree(MIGRATIONS, release)
    (release / f"{TODAY + 1:04}_a.sql").write_text("ALTER TABLE ashare.trade_calendar ADD COLUMN a integer")
    (release / f"{TODAY + 2:04}_b.sql").write_text("ALTER TABLE ashare.security ADD COLUMN b integer")
    monkeypatch.setattr(module, "MIGRATIONS", release)
    return store


def slowest_read(database: Database, over: threading.Event) -> float:
    """The longest that a reader of the table has waited, until ``over``."""
    slowest = 0.0
    while not over.is_set():
        began = time.monotonic()
        database.rows("SELECT count(*) FROM ashare.security")
        slowest = max(slowest, time.monotonic() - began)
        time.sleep(0.02)
    return slowest


def test_a_long_reader_holds_up_the_migration_and_no_other_reader(altered: Store, database: Database) -> None:
    over = threading.Event()
    with ThreadPoolExecutor() as beside, database.connect() as reader:
        reader.execute("SELECT set_config('application_name', 'a long report', false)")
        reader.execute("SELECT count(*) FROM ashare.security")
        slowest = beside.submit(slowest_read, database, over)
        migrating = beside.submit(altered.migrate)
        until(lambda: database.rows("SELECT max(version) FROM ashare.schema_migration") == [(TODAY + 1,)])
        time.sleep(3)  # several times at the table
        assert not migrating.done()
        reader.rollback()
        assert migrating.result(timeout=30) == [f"{TODAY + 1:04}_a.sql", f"{TODAY + 2:04}_b.sql"]
        over.set()
        assert slowest.result() < 1.5
    database.rows("SELECT a FROM ashare.trade_calendar UNION SELECT b FROM ashare.security")


def test_a_migration_that_cannot_be_applied_says_who_is_in_the_way(altered: Store, database: Database) -> None:
    altered.name_sessions("the migration", 2.0)
    with database.connect() as reader:
        reader.execute("SELECT set_config('application_name', 'a long report', false)")
        reader.execute("SELECT count(*) FROM ashare.security")
        with pytest.raises(StoreBusy) as busy:
            altered.migrate()
        pid = reader.info.backend_pid
    said = rf"within 2 s, as others use its tables \(held by a long report \(pid {pid}, user postgres, local, "
    assert re.search(said + r"idle in transaction since \d\d-\d\d \d\d:\d\d:\d\d\)", str(busy.value))
    assert altered.migrate() == [f"{TODAY + 2:04}_b.sql"]  # the first was applied


def test_whoever_waits_for_one_who_migrates_says_for_whom(altered: Store, database: Database) -> None:
    altered.name_sessions("me", 0.3)
    with database.connect() as other:
        other.execute("SELECT set_config('application_name', 'another release', false)")
        other.execute("SELECT pg_advisory_lock(hashtextextended('ashare schema', 0))")
        with pytest.raises(
            StoreBusy, match=r"at work on the schema ashare for over 0\.3 s \(held by another release"
        ):
            altered.migrate()


def test_an_up_to_date_schema_waits_for_nobody(database: Database) -> None:
    store = Store(database.connect)
    store.migrate()
    store.name_sessions("me", 0.3)
    with database.connect() as other:
        other.execute("SELECT pg_advisory_lock(hashtextextended('ashare schema', 0))")
        other.execute("LOCK TABLE ashare.daily_bar, ashare.security, ashare.schema_migration IN EXCLUSIVE MODE")
        assert store.migrate() == []


# ---------------------------------------------------------------------- what a version holds


Columns = tuple[str, ...]
Rows = dict[tuple[str, Columns], Counter[tuple[str | None, ...]]]


def fill(database: Database) -> Rows:
    """Put rows into every table that there is; what the tables hold then, by name and columns."""
    keys, found = [], tables(database)
    for table, columns in found.items():
        keys.append((table, tuple(columns)))
        # The versions before allow no batches of weeks.
        rows = [row for row in ROWS.get(table, []) if row.get("kind") != "week" or "snapshot" in found]
        rows += SINCE_LIMITS.get(table, []) if "price_limit_rule" in found else []
        assert rows, f"The table ashare.{table} has no rows in ROWS: add a few, every column set in one of them."
        insert(database, table, columns, rows)
        assert_every_kind(database, table, columns)
    held = rows_of(database, keys)
    assert all(held.values())
    return held


def insert(database: Database, table: str, columns: Sequence[str], rows: Sequence[Row]) -> None:
    with database.connect() as connection:
        for row in rows:
            present = {name: value for name, value in row.items() if name in columns}
            connection.execute(
                sql.SQL("INSERT INTO ashare.{} ({}) VALUES ({})").format(
                    sql.Identifier(table),
                    sql.SQL(", ").join(map(sql.Identifier, present)),
                    sql.SQL(", ").join(map(sql.Literal, present.values())),
                )
            )


def assert_every_kind(database: Database, table: str, columns: Sequence[str]) -> None:
    """Each column is set, blank where it may be, and each word that a CHECK allows is there."""
    nullable = (
        "SELECT column_name::text FROM information_schema.columns "
        "WHERE table_schema = 'ashare' AND table_name = %s AND is_nullable = 'YES'"
    )
    may_be_blank = {name for (name,) in database.rows(nullable, table)}
    for name in columns:
        ((is_set, is_blank),) = database.rows(
            f'SELECT bool_or("{name}" IS NOT NULL), bool_or("{name}" IS NULL) FROM ashare.{table}'
        )
        assert is_set, f"No row of ashare.{table} in ROWS sets {name}: add it to one of them."
        assert is_blank or name not in may_be_blank, (
            f"No row of ashare.{table} in ROWS leaves {name} blank: add one, as it may be."
        )
    for name, rule in database.rows(
        """SELECT a.attname::text, pg_get_constraintdef(c.oid) FROM pg_constraint c
           JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]
           WHERE c.conrelid = %s::regclass AND c.contype = 'c' AND cardinality(c.conkey) = 1""",
        f"ashare.{table}",
    ):
        held = {value for (value,) in database.rows(f'SELECT "{name}" FROM ashare.{table}')}
        lacking = set(re.findall(r"'([^']+)'::text", rule)) - held
        assert not lacking, f"No row of ashare.{table} in ROWS has {name} {', '.join(sorted(lacking))}: add one."


def tables(database: Database) -> dict[str, list[str]]:
    """Each table's columns; without the record of the migrations itself."""
    found: dict[str, list[str]] = {}
    for table, column in database.rows(
        """SELECT c.relname::text, a.attname::text FROM pg_class c
           JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
           WHERE c.relnamespace = 'ashare'::regnamespace AND c.relkind IN ('r', 'p')
             AND c.relname <> 'schema_migration'
           ORDER BY c.relname, a.attnum"""
    ):
        found.setdefault(table, []).append(column)
    return found


def rows_of(database: Database, keys: Iterable[tuple[str, Columns]]) -> Rows:
    """Every row of these tables in these columns, as text, exact."""
    held: Rows = {}
    for table, columns in keys:
        chosen = ", ".join(f'"{name}"::text' for name in columns)
        held[table, columns] = Counter(database.rows(f"SELECT {chosen} FROM ashare.{table}"))
    return held


def assert_held(database: Database, before: Rows) -> None:
    """What the tables of a version held is there today; the table ``sync_status`` is a view over other tables."""
    after = rows_of(database, before)
    for key, rows in before.items():
        if key[0] == "sync_status":
            assert derived(key[1], after[key]) == derived(key[1], rows)
        elif key[0] == "date_summary":
            assert rows <= after[key]  # the calendar's sessions have come to it
        else:
            assert after[key] == rows


def derived(columns: Columns, rows: Counter[tuple[str | None, ...]]) -> Counter[tuple[str | None, ...]]:
    """The rows of ``sync_status`` without the figures that are of now; a failed date of no kinds is one of stocks."""
    kept = [n for n, name in enumerate(columns) if name not in ("loaded", "revised", "requests")]
    made: Counter[tuple[str | None, ...]] = Counter()
    for row, count in rows.items():
        values = ("{stock}" if (columns[n], row[n]) == ("kinds", "{}") else row[n] for n in kept)
        made[tuple(values)] += count
    return made


def catalog(database: Database) -> str:
    """The schema as pg_dump writes it, without the lines that differ each time."""
    command = [str(bin_dir() / "pg_dump"), "--schema=ashare", "--schema-only"]
    env = {**os.environ, **database.server.libpq_env(database.name)}
    text = subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout
    return re.sub(r"^\\(un)?restrict .*$", "", text, flags=re.MULTILINE)
