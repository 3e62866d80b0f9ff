"""A complete date is read again on demand, whenever it was last read: what differs is updated, and counted."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta, timezone
from typing import Any

import pytest

from ashare.command import main
from ashare.environment import Environment
from ashare.errors import BadReply, BudgetSpent, InvalidInput, NotVerified
from ashare.settings import Settings
from ashare.store.measured_costs import costs_per_date
from ashare.store.verifications import VerifiedDate, summary, verified_dates
from ashare.sync import Run, fetch_and_copy, plan_batches, record_status, sync_adjust_factors, wait_for_trading_day
from ashare.sync.accept import accept
from ashare_emulator.faults import fault
from ashare_emulator.generated import GeneratedMarket
from ashare_emulator.server import Emulator
from tests.conftest import Database, MakeRun, at, source_of
from tests.integration.test_corrections import (
    CORRECTED,
    Correcting,
    Saying,
    complete_as_airflow,
    dates_asked,
    everything,
    moved,
    states,
    stocks_of,
)
from tests.integration.trade_date import DAY, MARKET, assert_table_equals, complete, status

Command = Callable[..., tuple[int, str, str]]

FACTORS = "query_daily_adjust_factor"
COUNTS = "dataset, compared, revised, inserted, lacking"
LATER = at("2025-10-20T09:00")
"""Long after the dates of these tests: none of them is the newest."""


@pytest.fixture(scope="module")
def correcting() -> Correcting:
    return Correcting(start=date(2025, 9, 1), end=date(2025, 10, 31), stocks=300)


@pytest.fixture
def market(correcting: Correcting) -> Iterator[Correcting]:
    yield correcting
    correcting.corrected, correcting.lacks = frozenset(), ""


@pytest.fixture
def make_run(make_run: MakeRun) -> MakeRun:
    """Runs of past dates of stocks and indices."""

    def make(day: str, **options: Any) -> Run:
        return make_run(day, **{"now": LATER, **options})

    return make


@pytest.fixture
def loaded(make_run: MakeRun, database: Database, market: Correcting) -> None:
    """A complete date, read just now, and complete dates around it."""
    for day in ("2025-09-29", CORRECTED, DAY):
        assert complete(make_run(day)) == "success"


def found(database: Database, day: str = CORRECTED) -> list[tuple[Any, ...]]:
    """What each reading again of a date has found."""
    query = f"SELECT {COUNTS} FROM ashare.verification WHERE trade_date = %s ORDER BY verified_at, dataset"
    return database.rows(query, day)


def bars(database: Database, day: str = CORRECTED) -> list[tuple[Any, ...]]:
    """What was found of the bars."""
    return [row[1:] for row in found(database, day) if row[0] == "stock_bar"]


@pytest.mark.usefixtures("loaded")
def test_what_has_changed_is_updated_and_counted_and_nothing_else_is_asked_for(
    make_run: MakeRun, database: Database, emulator: Emulator, market: Correcting
) -> None:
    rows = stocks_of(market, CORRECTED)
    market.corrected = frozenset(row[1] for row in rows[5:8])
    asked = emulator.count()
    assert complete(make_run(CORRECTED, verify=True, run_id="verifies")) == "success"
    assert [request.method for request in emulator.requests[asked:]] == ["login", MARKET, FACTORS, "logout"]
    assert_table_equals(database, stocks_of(market, CORRECTED), CORRECTED)
    assert bars(database) == [(len(rows), 3, 0, 0)]
    assert database.rows("SELECT count(*), min(run_id) FROM ashare.bar_revision") == [(3, "verifies")]
    assert status(database, CORRECTED)[0] == "success"
    assert status(database, CORRECTED)[4] is None
    recorded = database.rows("SELECT revised, run_id FROM ashare.sync_status WHERE trade_date = %s", CORRECTED)
    assert recorded == [(3, "verifies")]

    # A second one right after the first is a new one.
    asked = emulator.count()
    assert complete(make_run(CORRECTED, verify=True)) == "success"
    assert dates_asked(emulator, asked) == [CORRECTED]
    assert bars(database) == [(len(rows), 3, 0, 0), (len(rows), 0, 0, 0)]
    with make_run(CORRECTED).store.transaction() as connection:
        (one,) = verified_dates(
            connection, [date.fromisoformat(CORRECTED)], datetime(2020, 1, 1, tzinfo=timezone.utc)
        )
    assert (one.compared, one.revised) == (len(rows), 3)
    assert summary([one]) == f"3 of {len(rows)} bars had changed, on 1 of 1 date ({CORRECTED})."

    asked = emulator.count()
    assert complete(make_run(CORRECTED)) == "success"
    assert emulator.count() == asked  # without the param, a complete date asks for nothing


@pytest.mark.usefixtures("loaded")
def test_to_load_a_date_is_not_estimated_to_cost_more_because_dates_were_read_again(make_run: MakeRun) -> None:
    with make_run(CORRECTED).store.transaction() as connection:
        before = costs_per_date(connection)
    for day in ("2025-09-29", CORRECTED, DAY):
        complete(
            make_run(day, verify=True, run_id=f"verifies {day}", who=f"fetch_and_copy[0] {day} in verifies {day}")
        )
    with make_run(CORRECTED).store.transaction() as connection:
        assert costs_per_date(connection) == before


@pytest.mark.usefixtures("loaded")
def test_without_a_difference_no_bar_is_written(make_run: MakeRun, database: Database) -> None:
    before = [row[:18] for row in everything(database)]
    assert complete(make_run(CORRECTED, verify=True)) == "success"
    assert [row[:18] for row in everything(database)] == before
    (counts,) = bars(database)
    assert counts[0] > 200
    assert counts[1:] == (0, 0, 0)
    assert database.rows("SELECT * FROM ashare.bar_revision") == []


def test_bars_and_adjust_factors_that_the_table_lacks_are_counted_by_themselves(
    make_run: MakeRun, database: Database, market: Correcting
) -> None:
    market.lacks = stocks_of(market, CORRECTED)[50][1]
    assert complete(make_run(CORRECTED)) == "success"
    assert "1 absent" in status(database, CORRECTED)[4]
    factors = database.rows("SELECT code FROM ashare.adjust_factor WHERE ex_date = %s ORDER BY code", CORRECTED)
    market.lacks = ""
    expected = len(stocks_of(market, CORRECTED))
    assert complete(make_run(CORRECTED, verify=True)) == "success"
    assert bars(database) == [(expected - 1, 0, 1, 0)]
    assert ("adjust_factor", len(factors), 0, 0, 0) in found(database)
    assert database.rows("SELECT * FROM ashare.absent_bar") == []
    assert status(database, CORRECTED)[4] is None

    # A bar that Baostock no longer has stays, and is counted.
    market.lacks = stocks_of(market, CORRECTED)[20][1]
    assert complete(make_run(CORRECTED, verify=True)) == "success"
    assert bars(database)[-1] == (expected - 1, 0, 0, 1)
    assert status(database, CORRECTED)[2] == status(database, CORRECTED)[1]


def test_adjust_factors_are_read_again_too(make_run: MakeRun, database: Database, market: Correcting) -> None:
    sessions = (str(date(2025, 9, 8) + timedelta(days=n)) for n in range(5))
    day = next(day for day in sessions if len(market.factors_on(date.fromisoformat(day))) > 1)
    assert complete(make_run(day)) == "success"
    query = "SELECT code, back_factor FROM ashare.adjust_factor WHERE ex_date = %s ORDER BY code"
    kept = database.rows(query, day)
    (wrong, _), (lost, _), *others = kept
    # A history has fore factors that are relative to later ex-dates: they are no difference.
    database.do("UPDATE ashare.adjust_factor SET fore_factor = 0.5 WHERE ex_date = %s", day)
    database.do("UPDATE ashare.adjust_factor SET back_factor = 99 WHERE (ex_date, code) = (%s, %s)", day, wrong)
    database.do("DELETE FROM ashare.adjust_factor WHERE (ex_date, code) = (%s, %s)", day, lost)
    assert complete(make_run(day, verify=True)) == "success"
    assert ("adjust_factor", 1 + len(others), 1, 1, 0) in found(database, day)
    batch = "SELECT rows FROM ashare.sync_batch WHERE trade_date = %s AND kind = 'factor'"
    assert database.rows(batch, day) == [(len(kept),)]
    assert database.rows(query, day) == kept


@pytest.mark.usefixtures("loaded")
@pytest.mark.parametrize("wrong", ["empty", "exact_rows", "wrong_date", "garbage", "drop_column"])
def test_a_bad_reply_changes_no_bar_and_the_run_says_so(
    make_run: MakeRun, database: Database, emulator: Emulator, wrong: str
) -> None:
    before = everything(database)
    emulator.add_fault(fault(MARKET, wrong, times=0, **({"rows": 10} if wrong == "exact_rows" else {})))
    with pytest.raises(NotVerified, match=rf"^{CORRECTED} is complete, and could not be read again and compared: ."):
        complete_as_airflow(make_run(CORRECTED, verify=True))
    assert [row[:18] for row in everything(database)] == [row[:18] for row in before]
    assert bars(database) == []
    state, expected, held, missing, reason = status(database, CORRECTED)
    assert (state, held, missing) == ("success", expected, 0)
    assert f"{CORRECTED} again, to be compared: " in reason
    emulator.clear_faults()
    assert complete(make_run(CORRECTED, verify=True)) == "success"
    assert status(database, CORRECTED)[4] is None


@pytest.mark.usefixtures("loaded")
def test_a_date_that_is_not_complete_is_synced_as_always(
    make_run: MakeRun, database: Database, emulator: Emulator
) -> None:
    database.do("DELETE FROM ashare.daily_bar WHERE trade_date = %s AND code NOT LIKE '%%.0000%%'", CORRECTED)
    asked = emulator.count()
    assert complete(make_run(CORRECTED, verify=True)) == "success"
    assert dates_asked(emulator, asked) == [CORRECTED]
    assert found(database) == []
    assert database.rows("SELECT count(*) FROM ashare.sync_batch WHERE again IS NOT NULL") == [(0,)]


@pytest.mark.usefixtures("loaded")
def test_an_accepted_date_stays_as_it_is(make_run: MakeRun, database: Database, emulator: Emulator) -> None:
    code = database.rows("SELECT min(code) FROM ashare.daily_bar WHERE trade_date = %s", CORRECTED)[0][0]
    database.do("DELETE FROM ashare.daily_bar WHERE (trade_date, code) = (%s, %s)", CORRECTED, code)
    run = make_run(CORRECTED, verify=True)
    accept(run.store, run.day, "it is lost", "me")
    asked = emulator.count()
    assert complete(run) == "success"
    assert emulator.count() == asked
    assert found(database) == []


@pytest.mark.usefixtures("loaded")
def test_what_the_reserve_is_kept_for_makes_it_wait_and_it_goes_on_the_next_day(
    make_run: MakeRun, database: Database, emulator: Emulator
) -> None:
    ((used,),) = database.rows("SELECT used_today FROM ashare.source_limit")
    settings = Settings(lock_timeout=20.0, request_budget=used + 13, history_reserve=10)
    run = make_run(CORRECTED, verify=True, settings=settings)
    wait_for_trading_day(run)
    (batch,) = plan_batches(run)
    asked = emulator.count()
    with pytest.raises(BudgetSpent):  # login, market, factors, logout
        fetch_and_copy(run, batch.batch_no)
    assert emulator.count() == asked
    ((waiting, error),) = database.rows(
        "SELECT status, error FROM ashare.sync_batch WHERE trade_date = %s AND again IS NOT NULL", CORRECTED
    )
    assert waiting == "pending"
    assert "requests" in error
    assert status(database, CORRECTED)[0] == "success"
    fetch_and_copy(make_run(CORRECTED, verify=True), batch.batch_no)
    assert len(bars(database)) == 1


def test_stocks_and_etfs_of_a_date_are_compared_in_one_session(make_run: MakeRun, database: Database) -> None:
    market = GeneratedMarket(start=date(2026, 1, 5), end=date(2026, 1, 30), stocks=60)
    with Emulator(market) as server:
        options: dict[str, Any] = {
            "source": source_of(server),
            "kinds": ("stock", "etf"),
            "now": at("2026-02-02T09:00"),
        }
        assert complete(make_run("2026-01-07", **options)) == "success"
        asked = server.count()
        assert complete(make_run("2026-01-07", verify=True, **options)) == "success"
        sent = [request.method for request in server.requests[asked:]]
    assert sent == ["login", MARKET, "query_daily_history_k_ETF", FACTORS, "logout"]
    counts = {name: counts for name, *counts in found(database, "2026-01-07")}
    assert set(counts) == {"stock_bar", "etf_bar", "adjust_factor"}
    for kind in ("stock", "etf"):
        rows = len(market.bars_on(date(2026, 1, 7), "stock" if kind == "stock" else "etf"))
        assert counts[f"{kind}_bar"] == [rows, 0, 0, 0]


def test_the_newest_dates_run_counts_its_corrections_too(
    make_run: MakeRun, database: Database, market: Correcting
) -> None:
    assert complete(make_run(CORRECTED, now=at("2025-10-01T09:00"))) == "success"
    database.do("UPDATE ashare.counted_partition SET verified_at = verified_at - interval '2 days'")
    market.corrected = frozenset([stocks_of(market, CORRECTED)[9][1]])
    assert complete(make_run(DAY, now=at("2025-10-10T09:00"))) == "success"
    assert [row[1] for row in bars(database)] == [1]


# ---------------------------------------------------------------------- corrections that concern two days


@pytest.fixture
def saying() -> Saying:
    return Saying(start=date(2025, 9, 1), end=date(2025, 10, 31), stocks=60)


@pytest.mark.parametrize("chosen", [CORRECTED, DAY])
def test_a_correction_of_a_close_and_of_the_preclose_after_it_arrives_whole_whichever_date_is_chosen(
    make_run: MakeRun, database: Database, saying: Saying, chosen: str
) -> None:
    with Emulator(saying) as server:
        options: dict[str, Any] = {"source": source_of(server), "kinds": ("stock",)}
        for day in (CORRECTED, DAY):
            complete(make_run(day, **options))
        saying.says = {CORRECTED: moved("close", 0.0001), DAY: moved("preclose", 0.0001)}
        asked = server.count()
        assert complete(make_run(chosen, verify=True, **options)) == "success"
        assert sorted(dates_asked(server, asked)) == [CORRECTED, DAY]
    assert states(database) == ["success"] * 2
    for day in (CORRECTED, DAY):
        assert_table_equals(database, stocks_of(saying, day), day)
        ((_, revised, *_),) = bars(database, day)
        assert revised > 40


def test_a_correction_that_the_day_after_contradicts_is_not_believed(
    make_run: MakeRun, database: Database, saying: Saying
) -> None:
    with Emulator(saying) as server:
        options: dict[str, Any] = {"source": source_of(server), "kinds": ("stock",)}
        for day in (CORRECTED, DAY):
            complete(make_run(day, **options))
        before = [row[:18] for row in everything(database)]
        saying.says = {CORRECTED: moved("close", 0.0001)}
        with pytest.raises(NotVerified, match="contradicts what is known"):
            complete_as_airflow(make_run(CORRECTED, verify=True, **options))
    assert [row[:18] for row in everything(database)] == before
    assert states(database) == ["success"] * 2


# ---------------------------------------------------------------------- what cannot be verified


@pytest.mark.parametrize(
    ("day", "options", "says"),
    [
        ("2009-12-31", {}, "Baostock has whole markets of stock from 2010-01-01 on"),
        (DAY, {"kinds": ("etf",)}, "Baostock has whole markets of etf from 2026-01-05 on"),
        (DAY, {"kinds": ("index",)}, "Baostock has none of index: kinds needs one of stock, etf"),
        (DAY, {"fetch": "code"}, "leave fetch out"),
    ],
)
def test_what_has_no_whole_market_is_refused(make_run: MakeRun, day: str, options: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        make_run(day, verify=True, **options)


@pytest.mark.usefixtures("loaded")
def test_a_plan_that_failed_is_no_comparison(make_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> None:
    run = make_run(CORRECTED, verify=True)

    def fail(_: Run) -> None:
        raise BadReply("the list of securities is garbage.")

    monkeypatch.setattr("ashare.sync.plan.ensure_reference", fail)
    with pytest.raises(BadReply):
        plan_batches(run)
    sync_adjust_factors(run)
    with pytest.raises(NotVerified, match="the list of securities is garbage"):
        record_status(run)


# ---------------------------------------------------------------------- the command


@pytest.fixture
def command(database: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """``ashare verified`` at a prompt that has the database's connection."""
    monkeypatch.setenv("AIRFLOW_CONN_ASHARE_POSTGRES", database.server.connection_json(database.name))

    def run(*arguments: str) -> tuple[int, str, str]:
        try:
            code = main(["verified", *arguments], Environment())
        finally:
            logging.disable(logging.NOTSET)
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


@pytest.mark.usefixtures("loaded")
def test_the_command_prints_what_was_compared(
    make_run: MakeRun, database: Database, market: Correcting, command: Command
) -> None:
    assert command("-s", CORRECTED) == (0, "1 of 1 complete dates were never read again.\n", "")
    rows = stocks_of(market, CORRECTED)
    market.corrected = frozenset(row[1] for row in rows[5:8])
    for _ in range(2):
        complete(make_run(CORRECTED, verify=True))
    code, out, err = command("-s", "2025-09-01", "-e", "2025-10-09")
    assert (code, err) == (0, "")
    heading, *lines, total, never = out.splitlines()
    assert heading.split() == ["trade", "date", "dataset", "read", "again", "compared", "changed", "new", "gone"]
    stocks = [line.split() for line in lines if "stock_bar" in line]
    assert [line[:2] + line[4:] for line in stocks] == [
        [CORRECTED, "stock_bar", str(len(rows)), changed, "0", "0"] for changed in ("3", "0")
    ]
    assert total == f"3 of {len(rows)} bars had changed, on 1 of 1 date ({CORRECTED})."
    assert never == "2 of 3 complete dates were never read again."
    assert command("-s", "2025-10-15")[1] == "No date from 2025-10-15 to 2025-10-15 was read again.\n"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "There is no range: give -s and -e"),
        (("-s", "soon"), "'soon' is not a trade date"),
        (("-s", "2025-10-09", "-e", "2025-10-01"), "is before the start date"),
    ],
)
def test_the_command_refuses_in_one_sentence(command: Command, arguments: tuple[str, ...], says: str) -> None:
    code, out, err = command(*arguments)
    assert (code, out) == (2, "")
    assert says in err
    assert err.count("\n") == 1


def test_the_sentence_names_what_there_is() -> None:
    days = [date(2026, 3, 2), date(2026, 3, 3)]
    same = [VerifiedDate(day, 5000, 0, 0, 0, 0) for day in days]
    assert summary(same) == "none of 10,000 bars had changed, on 2 dates."
    differing = [same[0], VerifiedDate(days[1], 5000, 2, 1, 1, 2)]
    assert summary(differing) == (
        "2 of 10,000 bars had changed, 1 bar had been lacking, 2 adjust factors had changed or been lacking, "
        "1 loaded bar is no longer at Baostock, on 1 of 2 dates (2026-03-03)."
    )
