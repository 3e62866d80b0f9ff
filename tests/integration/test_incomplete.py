"""Readers and the export say which trade dates of a range are not complete, and only those."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from ashare.command import main
from ashare.connection import POSTGRES_VARIABLE
from ashare.dates import weekdays
from ashare.errors import IncompleteDate, InvalidInput
from ashare.export import Selection, export, parquet_files
from ashare.read import IncompleteBars, load_bars, load_bars_arrow
from ashare.store import loaded_bars
from tests.conftest import Database, at
from tests.integration.lakes import lake_agrees  # noqa: F401
from tests.records import record

FIRST, LAST = date(2025, 3, 3), date(2025, 3, 13)
LOADED = weekdays(FIRST, LAST)
BACKFILL = "airflow dags backfill -s {} -e {}{} ashare_daily"
CODES = {"sh.600000": "stock", "sh.600001": "stock", "sh.000001": "index", "sh.510300": "etf"}


SNAPSHOT = "test_the_dates_are_judged_in_the_snapshot_of_the_bars"
"""It changes the database while it is read, and a lake is written afterwards."""


@pytest.fixture(autouse=True)
def both_sources(request: pytest.FixtureRequest) -> None:
    """Each read is repeated from a lake."""
    if request.node.name != SNAPSHOT:
        request.getfixturevalue("lake_agrees")


@pytest.fixture
def loaded(database: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    """Nine complete dates of stocks and an index, seen on the evening of the last; a calendar from 2024 to 2025."""
    database.do(
        "INSERT INTO ashare.trade_calendar (calendar_date, is_trading_day) "
        "SELECT day::date, extract(isodow FROM day) < 6 AND day <> ALL ('{2024-01-01,2025-01-01}') "
        "FROM generate_series(date '2024-01-01', '2025-12-31', '1 day') AS day"
    )
    for code, kind in CODES.items():
        database.do("INSERT INTO ashare.security (code, name, kind) VALUES (%s, 'x', %s)", code, kind)
    for day in LOADED:
        add_date(database, day)
    monkeypatch.setenv(POSTGRES_VARIABLE, database.server.connection_json(database.name))
    set_clock(monkeypatch, "2025-03-13T20:00")
    return database


def set_clock(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr("ashare.incomplete.beijing_now", at(text))


def add_bars(database: Database, day: date | str, *codes: str) -> None:
    for code in codes or ("sh.600000", "sh.600001", "sh.000001"):
        database.do(
            "INSERT INTO ashare.daily_bar (trade_date, code, close, is_trading) VALUES (%s, %s, 9.87, true)",
            day,
            code,
        )


def add_date(database: Database, day: date | str) -> None:
    """A complete date."""
    add_bars(database, day)
    record(database, day, "success", expected=2)


def add_history(database: Database, kinds: str, first: date, last: date) -> None:
    """A history that goes on, or was stopped."""
    database.do(
        "INSERT INTO ashare.history_run (run_id, first_date, last_date, plan, kinds) VALUES ('h', %s, %s, '', %s)",
        first,
        last,
        kinds,
    )


@contextmanager
def silence() -> Iterator[None]:
    """A block without a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", IncompleteBars)
        yield


def warning_of(*arguments: Any, **options: Any) -> str:
    """The one warning of a read; an empty text without one."""
    with warnings.catch_warnings(record=True) as recorded:
        warnings.simplefilter("always")
        load_bars(*arguments, **options)
    # A collection of garbage may warn of what other tests have left open.
    found = [warning for warning in recorded if warning.category is not ResourceWarning]
    assert len(found) <= 1
    if not found:
        return ""
    assert (found[0].category, found[0].filename) == (IncompleteBars, __file__), "the caller's line"
    return str(found[0].message)


# ---------------------------------------------------------------------- which dates


def test_a_complete_range_is_read_without_a_word(loaded: Database) -> None:
    with silence():
        assert len(load_bars()) == 3 * len(LOADED)
        assert len(load_bars(start=FIRST, end=LAST, adjust="qfq")) == 3 * len(LOADED)
        assert len(load_bars(start="2025-03-08", end="2025-03-09")) == 0, "a weekend"
        assert len(load_bars_arrow(end="2999-12-31")) == 3 * len(LOADED)


def test_years_that_are_not_loaded_count_if_they_were_requested(loaded: Database) -> None:
    assert warning_of(start="2025-02-27") == (
        "2 trade dates are not complete: 2025-02-27, 2025-02-28, of stocks, indices; load them with: "
        + BACKFILL.format("2025-02-27", "2025-02-28", "")
    )
    years = warning_of(start="2024-01-01")
    sessions = len(weekdays(date(2024, 1, 2), date(2025, 2, 28))) - 1  # without 1 January 2025
    assert years == (
        f"{sessions} trade dates are not complete: from 2024-01-02 to 2025-02-28, of stocks, indices; "
        "load them with: airflow dags trigger ashare_history --conf "
        '\'{"start_date": "2024-01-02", "end_date": "2025-02-28"}\''
    )
    assert warning_of() == ""


def test_one_old_date_makes_nothing_missing_unless_it_was_requested(
    loaded: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_date(loaded, "2024-06-12")
    assert warning_of() == ""
    between = len(weekdays(date(2024, 6, 13), date(2025, 2, 28))) - 1  # without 1 January
    assert warning_of(start="2024-06-12").startswith(
        f"{between} trade dates are not complete: from 2024-06-13 to 2025-02-28"
    )
    monkeypatch.setenv("ASHARE_FIRST_DATE", "2025-02-28")
    assert warning_of().startswith("1 trade date is not complete: 2025-02-28, of stocks, indices; load it with: ")


def test_todays_session_counts_once_its_bars_should_be_out(loaded: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    for time in ("2025-03-14T09:30", "2025-03-14T17:29"):
        set_clock(monkeypatch, time)
        record(loaded, "2025-03-14", "syncing", reason="the bars are not out")
        with silence():
            load_bars(), load_bars(start=FIRST), load_bars(end="2025-12-31")
    loaded.do("DELETE FROM ashare.work")
    set_clock(monkeypatch, "2025-03-14T18:00")
    for range_ in ({}, {"start": FIRST}, {"end": "2025-12-31"}):
        assert warning_of(**range_).startswith("1 trade date is not complete: 2025-03-14, of stocks, indices;")
    with silence():
        load_bars(end=LAST)
    set_clock(monkeypatch, "2025-03-16T12:00")
    assert warning_of().startswith("1 trade date is not complete: 2025-03-14,"), "a weekend has no session"


def test_bars_that_came_before_their_time_are_judged(loaded: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    set_clock(monkeypatch, "2025-03-14T15:00")
    add_bars(loaded, "2025-03-14", "sh.600000")
    assert warning_of().startswith("1 trade date is not complete: 2025-03-14, of stocks;")


def test_a_hole_counts_whatever_made_it(loaded: Database) -> None:
    record(loaded, LOADED[1], "failed", missing=1, expected=3, reason="1 of 3 stocks has no bar")
    record(loaded, LOADED[2], "failed", reason="the source is away")
    loaded.do("DELETE FROM ashare.daily_bar WHERE trade_date = %s AND code = 'sh.600000'", LOADED[3])
    loaded.do("DELETE FROM ashare.counted_partition WHERE partition = %s", LOADED[4])
    days = ", ".join(str(day) for day in LOADED[1:5])
    how = BACKFILL.format(LOADED[1], LOADED[4], " --rerun-failed-tasks")
    expected = f"4 trade dates are not complete: {days}, of stocks, indices; load them with: {how}"
    assert warning_of() == warning_of(start=FIRST) == expected
    assert warning_of(end=FIRST) == "" == warning_of(start=LOADED[5])


def test_an_accepted_date_does_not_count(loaded: Database) -> None:
    record(loaded, LAST, "failed", missing=1, expected=3, reason="1 of 3 stocks has no bar")
    assert warning_of() != ""
    loaded.do(
        "INSERT INTO ashare.accepted_date (trade_date, kinds, accepted_by, reason, problem, fingerprint) "
        "VALUES (%s, '{stock,index}', 'me', 'so it is', '1 of 3 stocks has no bar', '')",
        LAST,
    )
    assert warning_of() == ""


def test_a_history_that_goes_on_or_was_stopped_counts(loaded: Database) -> None:
    first, last = date(2025, 2, 24), date(2025, 2, 28)
    add_history(loaded, "{stock,index}", first, last)
    for day in weekdays(first, last):
        add_bars(loaded, day, "sh.600000")
    found = warning_of()
    assert found.startswith("5 trade dates are not complete: 2025-02-24, 2025-02-25, ")
    assert "of stocks, indices (a run works on them, or was stopped); load them with" in found
    for day in weekdays(first, date(2025, 2, 27)):
        record(loaded, day, "success", expected=1)
    assert (
        "1 trade date is not complete: 2025-02-28, of stocks, indices (a run works on it, or was stopped)"
        in warning_of()
    )
    loaded.do("UPDATE ashare.history_run SET ended_at = now()")
    assert warning_of().startswith("1 trade date is not complete: 2025-02-28, of stocks, indices; load it")


def test_outside_of_the_calendar_any_weekday_may_be_a_session(
    loaded: Database, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded.do("DELETE FROM ashare.trade_calendar WHERE calendar_date > %s", LAST)
    set_clock(monkeypatch, "2025-03-17T20:00")
    assert warning_of().startswith("2 trade dates are not complete: 2025-03-14, 2025-03-17, of stocks, indices;")
    loaded.do("DELETE FROM ashare.trade_calendar")
    assert warning_of(end=LAST) == "" == warning_of(start=FIRST, end=LAST), "recorded dates are known"
    assert warning_of(start="2025-02-28", end=LAST).startswith("1 trade date is not complete: 2025-02-28")


def test_an_empty_database_lacks_what_is_requested(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(POSTGRES_VARIABLE, database.server.connection_json(database.name))
    set_clock(monkeypatch, "2025-03-13T20:00")
    assert warning_of() == ""
    assert warning_of(start="2024-12-31", end="2025-01-03").startswith(
        "3 trade dates are not complete: 2024-12-31, 2025-01-02, 2025-01-03, of stocks, indices;"
    )


# ---------------------------------------------------------------------- of which securities


def test_only_the_kinds_that_are_read_are_judged(loaded: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded.do("DELETE FROM ashare.daily_bar WHERE trade_date = %s AND code = 'sh.600001'", LAST)
    assert warning_of("sh.000001", FIRST) == ""
    assert warning_of("sh.600000", FIRST).startswith(f"1 trade date is not complete: {LAST}, of stocks;")
    monkeypatch.setenv("ASHARE_KINDS", "index")
    assert warning_of(["sh.600000", "sh.000001"]).endswith(
        f'-s {LAST} -e {LAST} --rerun-failed-tasks --conf \'{{"kinds": ["stock"]}}\' ashare_daily'
    )


def test_another_kind_is_judged_where_a_run_was_asked_for_it(
    loaded: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    day = date(2026, 1, 5)  # Baostock's first day of ETFs
    loaded.do("INSERT INTO ashare.trade_calendar VALUES (%s, true)", day)
    monkeypatch.setattr("ashare.incomplete.beijing_now", at("2026-01-05T20:00"))
    add_date(loaded, day)
    assert warning_of("sh.510300", LAST, LAST) == ""
    assert "2026-01-05, of ETFs; " in warning_of("sh.510300", "2026-01-01")
    add_bars(loaded, day, "sh.510300")
    loaded.do(
        "INSERT INTO ashare.counted_partition (dataset, partition, expected, rows, missing, is_asked, counted_at) "
        "VALUES ('etf_bar', %s, 2, 1, 1, false, now())",
        day,
    )
    assert warning_of(start=day) == ""
    loaded.do("UPDATE ashare.counted_partition SET is_asked = true WHERE dataset = 'etf_bar'")
    assert warning_of(start=day).startswith("1 trade date is not complete: 2026-01-05, of ETFs;")
    loaded.do("UPDATE ashare.counted_partition SET missing = 0 WHERE dataset = 'etf_bar'")
    assert warning_of(start=day) == ""
    loaded.do("DELETE FROM ashare.counted_partition WHERE dataset = 'etf_bar'")
    assert warning_of(start=day) == ""
    add_history(loaded, "{etf}", day, day)
    assert "2026-01-05, of ETFs (a run works on it, or was stopped); load it with" in warning_of(start=day)


def test_adjusted_prices_need_the_adjust_factors(loaded: Database) -> None:
    loaded.do("DELETE FROM ashare.counted_partition WHERE dataset = 'adjust_factor' AND partition = %s", LAST)
    assert warning_of() == ""
    for adjust in ("qfq", "hfq"):
        assert warning_of(adjust=adjust).startswith(f"1 trade date is not complete: {LAST}, of adjust factors;")


def test_a_security_lacks_nothing_before_it_was_listed_and_after_it_was_delisted(loaded: Database) -> None:
    loaded.do("UPDATE ashare.security SET ipo_date = %s WHERE code = 'sh.600000'", LOADED[2])
    loaded.do("UPDATE ashare.security SET ipo_date = '2025-02-28', out_date = %s WHERE code = 'sh.600001'", LOADED[4])
    record(loaded, LOADED[5], "failed", missing=1, expected=3)
    assert warning_of("sh.600000", "2024-01-01").startswith(f"1 trade date is not complete: {LOADED[5]}")
    assert warning_of("sh.600001", "2024-01-01").startswith("1 trade date is not complete: 2025-02-28")
    both = warning_of(["sh.600000", "sh.600001"], "2024-01-01")
    assert both.startswith(f"2 trade dates are not complete: 2025-02-28, {LOADED[5]}, of stocks")
    assert warning_of("sh.600001", LOADED[5]) == ""


# ---------------------------------------------------------------------- what a reader does


def test_raise_and_ignore(loaded: Database) -> None:
    text = warning_of(start="2025-02-28")
    for read in (load_bars, load_bars_arrow):
        with pytest.raises(IncompleteDate) as raised, silence():
            read(start="2025-02-28", incomplete="raise")
        assert str(raised.value) == text and "\n" not in text
        with silence():
            assert len(read(start="2025-02-28", incomplete="ignore")) == 3 * len(LOADED)
            assert len(read(start=FIRST, incomplete="raise")) == 3 * len(LOADED)
    with pytest.warns(IncompleteBars, match="1 trade date is not complete: 2025-02-28"):
        load_bars_arrow(start="2025-02-28")


@pytest.mark.parametrize("given", ["error", None, ["warn"]])
def test_another_word_is_refused(loaded: Database, tmp_path: Path, given: Any) -> None:
    for read in (lambda: load_bars(incomplete=given), lambda: export(tmp_path, incomplete=given)):
        with pytest.raises(InvalidInput) as refused:
            read()
        assert str(refused.value) == (
            f"There is no incomplete={given!r}: write 'warn' for a warning if a trade date of the range is not "
            "complete, 'raise' for an error, or 'ignore'."
        )


def test_the_dates_are_judged_in_the_snapshot_of_the_bars(loaded: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    copy_bars = loaded_bars.copy_bars

    def deleted_before(*arguments: Any, **options: Any) -> Any:
        loaded.do("DELETE FROM ashare.daily_bar")
        return copy_bars(*arguments, **options)

    monkeypatch.setattr(loaded_bars, "copy_bars", deleted_before)
    with silence():
        assert len(load_bars(start=FIRST)) == 3 * len(LOADED)


# ---------------------------------------------------------------------- what the export does


def files(directory: Path) -> dict[str, tuple[bytes, int]]:
    return {str(file): (file.read_bytes(), file.stat().st_mtime_ns) for file in directory.rglob("*.parquet")}


Export = Callable[..., int]


@pytest.fixture
def cli(loaded: Database, tmp_path: Path) -> Export:
    return lambda *options: main(["export", str(tmp_path / "bars"), *options])


def test_the_export_says_so_in_a_line_and_in_its_summary(
    loaded: Database, cli: Export, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli() == 0
    assert "not complete" not in capsys.readouterr().out
    add_bars(loaded, "2025-02-28", "sh.600000")
    assert cli() == 0
    first, *_, last = capsys.readouterr().out.splitlines()
    assert first == (
        "Warning: 1 trade date is not complete: 2025-02-28, of stocks; load it with: "
        + BACKFILL.format("2025-02-28", "2025-02-28", "")
    )
    assert " (1 trade date is not complete): " in last
    assert cli() == 0
    assert " (1 trade date is not complete) are up to date" in capsys.readouterr().out.splitlines()[-1]
    assert cli("--incomplete", "ignore") == 0
    assert "not complete" not in capsys.readouterr().out


def test_an_export_that_must_be_complete_writes_nothing(
    loaded: Database, cli: Export, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli("--incomplete", "raise") == 0
    before = files(tmp_path)
    add_bars(loaded, "2025-02-28", "sh.600000")
    capsys.readouterr()
    assert cli("--incomplete", "raise", "--qlib", str(tmp_path / "qlib")) == 1
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err.startswith("1 trade date is not complete: 2025-02-28, of stocks;")
    assert files(tmp_path) == before and not (tmp_path / "qlib").exists()
    assert not (tmp_path / "bars" / parquet_files.WRITING).exists()


def test_the_exports_factors_and_kinds_are_judged(loaded: Database, tmp_path: Path) -> None:
    loaded.do("DELETE FROM ashare.counted_partition WHERE dataset = 'adjust_factor' AND partition = %s", LAST)
    with pytest.warns(IncompleteBars, match=f"1 trade date is not complete: {LAST}, of adjust factors;"):
        done = export(tmp_path / "all")
    assert done.incomplete == 1 and done.warning is not None
    loaded.do("DELETE FROM ashare.daily_bar WHERE trade_date = %s AND code = 'sh.600001'", FIRST)
    lines: list[str] = []
    with silence():
        selection = Selection(start=date(2025, 2, 28), end=LOADED[1], kinds=("index",))
        export(tmp_path / "index", selection, say=lines.append)
    assert lines[0].startswith("Warning: 1 trade date is not complete: 2025-02-28, of indices, adjust factors;")
    with silence():
        assert export(tmp_path / "some", Selection(start=LOADED[1], end=LOADED[2])).warning is None
