"""Replies that are wrong but well-formed: each is caught by what is known besides, with its figures on record."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, timedelta
from typing import Any, Literal

import pytest

from ashare.errors import BadReply, IncompleteDate
from ashare.settings import Settings
from ashare.store.cross_check import Tolerance
from ashare.sync import (
    Run,
    fetch_and_copy,
    plan_batches,
    record_status,
    sync_adjust_factors,
    wait_for_trading_day,
)
from ashare_emulator.generated import GeneratedMarket
from ashare_emulator.market import COLUMNS, Factor, Row, Security
from ashare_emulator.server import Emulator
from tests.conftest import SHARED_DATA, Database, MakeRun, at, needs_shared_data, source_of
from tests.integration.trade_date import DAY, MARKET, assert_table_equals, complete, status

BEFORE, AFTER = "2025-09-30", "2025-10-10"


@pytest.fixture
def make_run(make_run: MakeRun) -> MakeRun:
    """Runs on the morning after their date: only the newest date's run reads earlier ones again."""

    def make(day: str, **options: Any) -> Run:
        options.setdefault("now", at(f"{date.fromisoformat(day) + timedelta(days=1)}T09:00"))
        return make_run(day, **options)

    return make


class Lying(GeneratedMarket):
    """A market whose source can be made to say something else."""

    bars: Callable[[list[Row], date], list[Row]] | None = None
    listed: Callable[[list[Security]], list[Security]] | None = None
    factors: Callable[[list[Factor], date], list[Factor]] | None = None

    def bars_on(self, day: date, kind: Literal["stock", "etf"]) -> list[Row]:
        rows = super().bars_on(day, kind)
        return self.bars(rows, day) if self.bars and kind == "stock" else rows

    def securities(self) -> list[Security]:
        found = super().securities()
        return self.listed(found) if self.listed else found

    def factors_on(self, day: date) -> list[Factor]:
        found = super().factors_on(day)
        return self.factors(found, day) if self.factors else found

    def be_honest(self) -> None:
        self.bars = self.listed = self.factors = None


@pytest.fixture(scope="module")
def lying_market() -> Lying:
    return Lying(start=date(2025, 9, 1), end=date(2025, 10, 31), stocks=300)


@pytest.fixture
def liar(lying_market: Lying) -> Iterator[Lying]:
    yield lying_market
    lying_market.be_honest()


@pytest.fixture
def server(liar: Lying) -> Iterator[Emulator]:
    with Emulator(liar) as running:
        yield running


@pytest.fixture
def stocks(make_run: MakeRun, server: Emulator) -> MakeRun:
    """Make a run of the stocks alone against the lying source."""
    return lambda day, **options: make_run(day, source=source_of(server), kinds=("stock",), **options)


def changed(count: int, **texts: Callable[[str], str]) -> Callable[[list[Row], date], list[Row]]:
    """Rewrite columns of the first so many trading stocks on ``DAY``."""

    def change(rows: list[Row], day: date) -> list[Row]:
        if str(day) != DAY:
            return rows
        rows, left = [list(row) for row in rows], count
        for row in rows:
            if left and row[COLUMNS.index("tradestatus")] == "1":
                left -= 1
                for name, text in texts.items():
                    row[COLUMNS.index(name)] = text(row[COLUMNS.index(name)])
        return rows

    return change


def rule(database: Database, name: str, day: str = DAY) -> tuple[Any, ...]:
    (row,) = database.rows(
        "SELECT passed, compared, deviating, allowed, compared_with::text FROM ashare.cross_check "
        "WHERE trade_date = %s AND rule = %s",
        day,
        name,
    )
    return row


def refused(run: Any, says: str) -> None:
    """Run the date against a reply that is refused; nothing of it is written."""
    wait_for_trading_day(run)
    (batch,) = plan_batches(run)
    with pytest.raises(BadReply, match=says):
        fetch_and_copy(run, batch.batch_no)
    assert not run.store.bars.has_bars(run.day)
    with pytest.raises(IncompleteDate, match=says):
        record_status(run)


def test_a_right_date_passes_every_rule_with_its_figures(stocks: MakeRun, database: Database) -> None:
    complete(stocks(BEFORE))
    assert rule(database, "preclose", BEFORE)[0] is None  # there is no day before to hold it against
    assert complete(stocks(DAY)) == "success"
    found = database.rows("SELECT rule, passed, deviating FROM ashare.cross_check WHERE trade_date = %s", DAY)
    assert sorted(found) == [
        (name, True, 0) for name in ("ex_dates", "limits", "pct_chg", "preclose", "rows", "universe", "volume")
    ]
    assert rule(database, "preclose")[1] > 290
    ((figures,),) = database.rows(
        "SELECT figures FROM ashare.cross_check WHERE trade_date = %s AND rule = 'volume'", DAY
    )
    assert figures["volume"] > 0 < figures["volume_before"] != figures["volume"]


def test_the_bars_of_the_day_before_under_a_new_date_are_refused(
    stocks: MakeRun, database: Database, server: Emulator, liar: Lying
) -> None:
    complete(stocks(BEFORE))
    honest = liar.bars_on(date.fromisoformat(BEFORE), "stock")
    liar.bars = lambda rows, day: [[DAY, *row[1:]] for row in honest] if str(day) == DAY else rows
    refused(stocks(DAY), f"exactly as on {BEFORE}: it is that day's bars again")
    assert rule(database, "volume") == (False, len(honest), 1, 0, BEFORE)
    liar.be_honest()
    asked = server.count(MARKET)
    assert complete(stocks(DAY)) == "success"
    assert server.count(MARKET) == asked + 2  # and the day before, which might have been what was wrong
    assert_table_equals(database, liar.bars_on(date.fromisoformat(DAY), "stock"), DAY)
    assert rule(database, "volume")[0] is True
    assert database.rows("SELECT * FROM ashare.bar_revision") == []


def test_bars_of_other_securities_are_refused(stocks: MakeRun, database: Database, liar: Lying) -> None:
    """Codes and bars shifted against each other: every number is one that the source really has."""
    complete(stocks(BEFORE))

    def shift(rows: list[Row], day: date) -> list[Row]:
        codes = [row[1] for row in rows]
        return [[row[0], code, *row[2:]] for row, code in zip(rows, codes[1:] + codes[:1], strict=True)]

    liar.bars = lambda rows, day: shift(rows, day) if str(day) == DAY else rows
    refused(stocks(DAY), r"the preclose of \d+ of \d+ stocks is not their close of 2025-09-30")
    liar.be_honest()
    assert complete(stocks(DAY)) == "success"


def test_percent_changes_that_do_not_fit_the_prices_are_refused(
    stocks: MakeRun, database: Database, liar: Lying
) -> None:
    liar.bars = changed(16, pctChg=lambda text: str(float(text) + 0.5))
    refused(stocks(DAY), r"the pct_chg of 16 of \d+ bars is not close / preclose - 1")
    assert rule(database, "pct_chg")[2:4] == (16, 15)
    liar.bars = changed(15, pctChg=lambda text: str(float(text) + 0.5))
    assert complete(stocks(DAY)) == "success"  # the threshold itself is allowed
    assert rule(database, "pct_chg")[:1] + rule(database, "pct_chg")[2:4] == (True, 15, 15)


def test_moved_precloses_without_factors_fail_the_date_when_the_factors_are_in(
    stocks: MakeRun, database: Database, server: Emulator, liar: Lying
) -> None:
    complete(stocks(BEFORE))
    # One unit of 0.0001 up: too little for pct_chg to notice, too few for a market whose factors are to come.
    liar.bars = changed(20, preclose=lambda text: f"{float(text) + 0.0001:.4f}")
    with pytest.raises(IncompleteDate, match=r"the preclose of 20 of \d+ stocks is not their close of 2025-09-30"):
        complete(stocks(DAY))
    assert status(database)[0] == "failed"
    assert rule(database, "preclose")[2:] == (20, 15, BEFORE)
    assert rule(database, "ex_dates")[:1] + rule(database, "ex_dates")[2:4] == (False, 20, 15)
    liar.be_honest()
    asked = server.count("query_daily_adjust_factor")
    assert complete(stocks(DAY)) == "success"  # every bar was there, and the market was read again all the same
    assert server.count("query_daily_adjust_factor") == asked + 1
    assert_table_equals(database, liar.bars_on(date.fromisoformat(DAY), "stock"), DAY)
    assert database.rows("SELECT revised FROM ashare.sync_status WHERE trade_date = %s", DAY) == [(20,)]


def test_an_ex_date_without_its_factor_fails_beyond_the_threshold_and_is_noted_below_it(
    stocks: MakeRun, database: Database, server: Emulator, liar: Lying
) -> None:
    assert len(liar.factors_on(date.fromisoformat(DAY))) == 1
    complete(stocks(BEFORE))
    liar.factors = lambda found, day: []
    strict = Settings(lock_timeout=20.0, max_deviating=0)
    with pytest.raises(
        IncompleteDate, match="the prices of 1 stocks say that they go ex and the adjust factors do not"
    ):
        complete(stocks(DAY, settings=strict))
    assert complete(stocks(DAY)) == "success"
    assert "the prices of 1 stocks say that they go ex" in status(database)[4]
    # A day later, another run asks for the factors again.
    database.do("UPDATE ashare.counted_partition SET verified_at = verified_at - interval '2 days'")
    liar.be_honest()
    assert complete(stocks(AFTER)) == "success"
    assert database.rows("SELECT code, ex_date::text FROM ashare.adjust_factor") == [
        (factor.code, DAY) for factor in liar.factors_on(date.fromisoformat(DAY))
    ]
    assert status(database)[4] is None


def test_a_factor_without_a_moved_price_is_found_too(stocks: MakeRun, database: Database, liar: Lying) -> None:
    complete(stocks(BEFORE))
    day = date.fromisoformat(DAY)
    (real,) = liar.factors_on(day)
    other = next(row[1] for row in liar.bars_on(day, "stock") if row[1] != real.code and row[11] == "1")
    liar.factors = lambda found, day: [*found, replace(real, code=other)]
    with pytest.raises(IncompleteDate, match=rf"the other way round for 1 \({other}\)"):
        complete(stocks(DAY, settings=Settings(lock_timeout=20.0, max_deviating=0)))


def test_a_list_of_securities_that_was_cut_is_found_by_the_market_and_read_again(
    stocks: MakeRun, database: Database, server: Emulator, liar: Lying
) -> None:
    liar.listed = lambda found: found[:-150]  # no whole number of pages: nothing in the list itself tells
    refused(stocks(DAY), r"\d+ of \d+ bars are of securities that were not listed that day")
    liar.be_honest()
    assert complete(stocks(DAY)) == "success"
    assert server.count("query_stock_basic") == 2
    assert_table_equals(database, liar.bars_on(date.fromisoformat(DAY), "stock"), DAY)


def test_a_market_and_a_list_that_were_cut_alike_are_found_the_day_after(
    stocks: MakeRun, database: Database, liar: Lying
) -> None:
    stock_codes = [row[1] for row in liar.bars_on(date.fromisoformat(DAY), "stock")]
    hidden = set(stock_codes[:120])
    liar.listed = lambda found: [security for security in found if security.code not in hidden]
    liar.bars = lambda rows, day: [row for row in rows if row[1] not in hidden]
    assert complete(stocks(DAY)) == "success"  # nothing that is known says otherwise
    liar.be_honest()
    database.do("UPDATE ashare.security SET updated_at = '2025-10-09 18:00+08'")  # the list is read once a day
    with pytest.raises(IncompleteDate, match=rf"after \d+ on {DAY}, and listings explain \+0"):
        complete(stocks(AFTER))
    assert rule(database, "rows", AFTER)[2:4] == (120, 100)
    assert complete(stocks(AFTER)) == "success"  # read the day before again, which was doubted
    assert_table_equals(database, liar.bars_on(date.fromisoformat(DAY), "stock"), DAY)


def test_a_date_that_was_complete_is_held_against_the_one_that_comes_before_it_later(
    stocks: MakeRun, database: Database, liar: Lying
) -> None:
    """As in a backfill run backwards, or of dates at once."""
    liar.bars = changed(20, preclose=lambda text: f"{float(text) + 0.0001:.4f}")
    assert complete(stocks(DAY)) == "success"
    assert complete(stocks(BEFORE, now=at("2025-10-10T09:00"))) == "success"
    state, *_, reason = status(database)
    assert state == "failed"
    assert "the preclose of 20 of" in reason
    liar.be_honest()
    assert complete(stocks(DAY)) == "success"


def test_etfs_are_cross_checked_too(make_run: MakeRun, database: Database) -> None:
    new = GeneratedMarket(start=date(2026, 1, 5), end=date(2026, 1, 30), stocks=20, etfs=60)
    with Emulator(new) as running:
        for day in ("2026-01-12", "2026-01-13"):
            run = make_run(day, source=source_of(running), kinds=("stock", "etf"), now=at("2026-01-30T20:00"))
            assert complete(run) == "success"
    found = database.rows(
        "SELECT rule, passed FROM ashare.cross_check WHERE trade_date = '2026-01-13' AND kind = 'etf'"
    )
    assert sorted(found) == [("pct_chg", True), ("rows", True), ("universe", True), ("volume", True)]


def test_bars_outside_of_their_price_limits_are_refused(stocks: MakeRun, database: Database, liar: Lying) -> None:
    """Each row is sound in itself: its high is above its other prices."""
    liar.bars = changed(40, high=lambda text: f"{float(text) * 1.5:.4f}")
    refused(stocks(DAY), r"\d+ of \d+ stocks traded outside of their price limits \(")
    passed, compared, outside, allowed, before = rule(database, "limits")
    assert (passed, before, allowed) == (False, None, max(15, round(0.05 * compared)))
    assert 30 < outside <= 40  # stocks of the main board under special treatment are not compared
    liar.bars = changed(15, high=lambda text: f"{float(text) * 1.5:.4f}")
    assert complete(stocks(DAY)) == "success"  # as many as may be without a limit that day
    assert rule(database, "limits")[0] is True
    assert rule(database, "limits")[2] > 10


OF_ALL_BARS = """
    SELECT count(*), count(*) FILTER (WHERE l.is_outside)
    FROM ashare.daily_limit l JOIN ashare.price_limit_rule r USING (rule)
    WHERE l.trade_date = %s AND l.limit_up IS NOT NULL AND (l.can_buy OR l.can_sell) AND r.is_st IS NOT TRUE
"""


def test_limits_are_those_of_the_view_for_every_bar(stocks: MakeRun, database: Database, liar: Lying) -> None:
    """The check looks up in the view only the bars that the usual limits do not settle."""
    assert complete(stocks(DAY)) == "success"
    codes = [code for (code,) in database.rows("SELECT code FROM ashare.daily_bar ORDER BY code")]
    prices = "UPDATE ashare.daily_bar SET preclose = 10, high = %s, low = %s WHERE code = %s"
    edges = ("8.99", "9", "9.01", "10.99", "11", "11.01", "11.99", "12", "12.01", "7.99", "8.01", "11.005", "8.995")
    for code, price in zip(codes, edges * 20, strict=False):
        database.do(prices, max("10", price, key=float), min("10", price, key=float), code)
    database.do("UPDATE ashare.daily_bar SET high = NULL WHERE code = %s", codes[-1])
    database.do("UPDATE ashare.daily_bar SET preclose = NULL WHERE code = %s", codes[-2])
    database.do("UPDATE ashare.daily_bar SET is_st = true WHERE code = ANY (%s)", codes[::7])
    database.do("UPDATE ashare.security SET ipo_date = %s::date - 3 WHERE code = ANY (%s)", DAY, codes[::11])
    database.do("UPDATE ashare.security SET out_date = %s::date + 20 WHERE code = ANY (%s)", DAY, codes[5::11])
    stocks(DAY).store.corrections.cross_check(date.fromisoformat(DAY), "stock", Tolerance(15, None, True), "x")
    ((compared, deviating),) = database.rows(OF_ALL_BARS, DAY)
    assert rule(database, "limits")[1:3] == (compared, deviating)
    assert 0 < deviating < compared < len(codes)


@needs_shared_data
def test_the_recorded_market_passes_on_every_day(make_run: MakeRun, database: Database) -> None:
    from ashare_emulator.panel import PanelMarket

    panel = PanelMarket([SHARED_DATA / "market_20260302_20260331.csv.gz"])
    with Emulator(panel) as running:
        day = date(2026, 3, 2)
        while day <= date(2026, 3, 31):
            if day.weekday() < 5:
                run = make_run(str(day), source=source_of(running), kinds=("stock",), now=at("2026-03-31T20:00"))
                assert complete(run) == "success"
            day += timedelta(days=1)
    assert database.rows("SELECT count(*) FROM ashare.cross_check WHERE NOT passed") == [(0,)]
    ((compared, deviating),) = database.rows(
        "SELECT sum(compared), max(deviating) FROM ashare.cross_check WHERE rule = 'pct_chg'"
    )
    assert compared > 100_000
    assert deviating == 0
    ((compared, deviating),) = database.rows(
        "SELECT max(compared), sum(deviating) FROM ashare.cross_check WHERE rule = 'limits'"
    )
    assert compared > 4_900
    assert deviating == 2  # the first days of two delisting periods: the recording has no dates of delisting


def goes_ex(count: int) -> Callable[[list[Row], date], list[Row]]:
    """So many stocks really go ex on ``DAY``: their preclose is a cent lower, and the percent change fits."""
    ex = changed(count, preclose=lambda text: f"{float(text) - 0.01:.4f}")

    def change(rows: list[Row], day: date) -> list[Row]:
        at = COLUMNS.index
        return [
            [
                *row[: at("pctChg")],
                f"{(float(row[at('close')]) / float(row[at('preclose')]) - 1) * 100:.6f}",
                *row[at("pctChg") + 1 :],
            ]
            if row[at("pctChg")]
            else row
            for row in ex(rows, day)
        ]

    return change


def factors_of(liar: Lying, count: int) -> Callable[[list[Factor], date], list[Factor]]:
    """Factors of the first so many trading stocks, besides those that there are."""
    codes = [row[1] for row in liar.bars_on(date.fromisoformat(DAY), "stock") if row[11] == "1"][:count]

    def factors(found: list[Factor], day: date) -> list[Factor]:
        known = {factor.code for factor in found}
        return [*found, *(replace(found[0], code=code) for code in codes if code not in known)] if found else []

    return factors


def test_factors_that_were_not_all_out_do_not_keep_a_right_market_out(
    stocks: MakeRun, database: Database, liar: Lying
) -> None:
    complete(stocks(BEFORE))
    all_of_them = factors_of(liar, 30)
    liar.bars = goes_ex(30)
    run = stocks(DAY)
    wait_for_trading_day(run)
    (batch,) = plan_batches(run)
    sync_adjust_factors(run)  # one of thirty is out
    with pytest.raises(BadReply, match="they do not go ex"):
        fetch_and_copy(run, batch.batch_no)
    liar.factors = all_of_them
    assert complete(stocks(DAY)) == "success"


def test_a_wrong_factor_is_taken_back(stocks: MakeRun, database: Database, liar: Lying) -> None:
    complete(stocks(BEFORE))
    liar.factors = factors_of(liar, 20)
    with pytest.raises(IncompleteDate, match="the other way round for"):
        complete(stocks(DAY))
    liar.be_honest()
    assert complete(stocks(DAY)) == "success"
    assert database.rows("SELECT count(*) FROM ashare.adjust_factor WHERE ex_date = %s", DAY) == [(1,)]


def test_bars_of_the_beijing_exchange_are_loaded_and_not_held_against_it(
    stocks: MakeRun, database: Database, liar: Lying
) -> None:
    complete(stocks(BEFORE))
    liar.bars = lambda rows, day: [
        *rows,
        *([day_, f"bj.{830000 + n}", *row] for n, (day_, _, *row) in enumerate(rows)),
    ]
    assert complete(stocks(DAY)) == "success"
    ((count,),) = database.rows("SELECT count(*) FROM ashare.daily_bar WHERE starts_with(code, 'bj.')")
    assert count > 290


def test_a_cut_list_is_not_trusted_by_another_date_either(stocks: MakeRun, database: Database, liar: Lying) -> None:
    liar.listed = lambda found: found[:-150]
    refused(stocks(DAY), "were not listed that day")
    liar.be_honest()
    assert complete(stocks(AFTER, fetch="code")) == "success"
    assert_table_equals(database, liar.bars_on(date.fromisoformat(AFTER), "stock"), AFTER)
