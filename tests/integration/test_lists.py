"""Lists, factors and values that are not as they should be: what is good goes on, what is not is said."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import date
from typing import Any

import pytest

from ashare.errors import AshareError, BadReply, IncompleteDate, InvalidInput
from ashare.settings import Settings
from ashare.store import Store
from ashare.sync import Run, fetch_and_copy, plan_batches, record_status, sync_adjust_factors
from ashare.sync.history import HistoryRun
from ashare.sync.history import fetch_and_copy as fetch_years
from ashare.sync.history import plan_batches as plan_years
from ashare.sync.history import record_status as record_years
from ashare.sync.reference import refresh_universe
from ashare.texts import joined
from ashare_emulator.faults import fault
from ashare_emulator.generated import GeneratedMarket
from ashare_emulator.protocol import Reply, Request
from ashare_emulator.server import Emulator
from tests.conftest import Database, MakeRun, at, source_of
from tests.integration.trade_date import BY_CODE, DAY, MARKET, complete, status

LIST, LISTED, FACTORS = "query_stock_basic", "query_all_stock", "query_daily_adjust_factor"
CODE, NAME, IPO, OUT, TYPE, STATUS = range(6)

Rows = list[list[str]]


def alter(server: Emulator, method: str, change: Callable[[Rows], Rows | None]) -> None:
    """Have the rows of every reply to a method changed, in place or by what is returned."""
    original = server._answers._calls[method]

    def altered(request: Request, published: Any) -> Reply:
        reply = original(request, published)
        rows = [list(row) for row in reply.rows]
        reply.rows = change(rows) or rows
        return reply

    server._answers._calls[method] = altered


def put(which: str, **values: str) -> Callable[[Rows], None]:
    """Write values into the list's row of this code."""
    places = {"code": CODE, "name": NAME, "ipo": IPO, "out": OUT, "type": TYPE, "status": STATUS}

    def change(rows: Rows) -> None:
        for row in rows:
            if row[CODE] == which:
                for name, value in values.items():
                    row[places[name]] = value

    return change


def read_list(run: Run) -> None:
    with run.session() as session:
        refresh_universe(run, session)


def securities(database: Database) -> dict[str, tuple[Any, ...]]:
    rows = database.rows("SELECT code, name, kind, ipo_date, out_date FROM ashare.security")
    return {code: values for code, *values in rows}  # type: ignore[misc]


def rules(database: Database, dataset: str = "security") -> list[tuple[Any, ...]]:
    """What is set aside by now, or taken with a rule."""
    open_ones = "SELECT code, rule, is_taken FROM ashare.rejected_row WHERE dataset = %s AND superseded_at IS NULL"
    return database.rows(f"{open_ones} ORDER BY 1", dataset)


# ---------------------------------------------------------------------- the list of securities

BAD_ROWS: list[tuple[dict[str, str], str]] = [
    ({"ipo": "2020-02-30"}, "the day of listing is no date"),
    ({"ipo": "1900-01-01"}, "listed before there was an exchange"),
    ({"out": "soon"}, "the day of delisting is no date"),
    ({"out": "1991-01-02", "status": "0"}, "the day of delisting is before that of listing"),
    ({"status": "0"}, "delisted by its status, and the day of delisting is lacking"),
    ({"status": "x"}, "the status is neither 0 nor 1"),
    ({"type": "stock"}, "the type is none of 1 to 5"),
    ({"type": "6"}, "the type is none of 1 to 5"),
    ({"type": "1\0"}, "the type is none of 1 to 5"),
    ({"ipo": "1999-11-10\0"}, "the day of listing is no date"),
]


@pytest.mark.parametrize(("values", "rule"), BAD_ROWS)
def test_a_bad_row_of_the_list_is_set_aside_and_keeps_nobody_out(
    make_run: MakeRun, database: Database, emulator: Emulator, values: dict[str, str], rule: str
) -> None:
    run = make_run(DAY, kinds=("stock",))
    read_list(run)
    before = securities(database)
    alter(emulator, LIST, put("sh.600000", **values))
    alter(emulator, LIST, put("sh.600519", name="another name"))
    read_list(run)
    assert rules(database) == [("sh.600000", rule, False)]
    after = securities(database)
    assert after.pop("sh.600000") == before.pop("sh.600000")  # what was known stays
    assert after.pop("sh.600519")[0] == "another name"
    before.pop("sh.600519")
    assert after == before
    assert complete(run) == "success"
    assert status(database)[4] == "1 rows of the list of securities set aside (ashare.rejected_row)"


def test_a_code_that_is_none_keeps_nobody_out(make_run: MakeRun, database: Database, emulator: Emulator) -> None:
    alter(emulator, LIST, put("sh.600519", code="sh.60051\0"))
    run = make_run(DAY, kinds=("stock",))
    assert complete(run) == "success"
    assert rules(database) == [("sh.60051", "the code is none (an exchange and six digits)", False)]
    # Twice in a list that has a code which cannot be read, nobody is gone.
    for _ in range(3):
        read_list(run)
    assert database.rows("SELECT count(*) FROM ashare.security WHERE missed_lists > 0") == [(0,)]


def test_of_two_rows_for_one_code_that_differ_neither_is_believed(
    make_run: MakeRun, database: Database, emulator: Emulator
) -> None:
    def twice(rows: Rows) -> Rows:
        extra = [[*row[:NAME], "another", *row[IPO:]] for row in rows if row[CODE] == "sh.600000"]
        return [*rows, *extra, *(row for row in rows if row[CODE] == "sh.600519")]

    alter(emulator, LIST, twice)
    read_list(make_run(DAY))
    assert {row[:2] for row in rules(database)} == {("sh.600000", "another row for the same code says otherwise")}
    assert "sh.600519" in securities(database)  # the same row twice is one
    assert "sh.600000" not in securities(database)


def test_a_listed_stock_with_a_day_of_delisting_is_listed_and_the_contradiction_is_said(
    make_run: MakeRun, database: Database, emulator: Emulator
) -> None:
    alter(emulator, LIST, put("sh.600000", out="1900-01-01"))
    run = make_run(DAY, kinds=("stock",))
    assert complete(run) == "success"
    assert securities(database)["sh.600000"][3] is None
    assert "sh.600000" in run.store.universe.expected(run.expectation, "stock")
    said = "listed by its status, and delisted on 1900-01-01 by its date: taken for listed"
    assert rules(database) == [("sh.600000", said, True)]
    assert status(database)[4] == "1 rows of the list of securities contradict themselves (ashare.rejected_row)"
    emulator._answers = type(emulator._answers)(emulator._answers._market)
    read_list(run)
    assert rules(database) == []


def test_bad_rows_of_kinds_that_are_not_loaded_stop_nothing(
    make_run: MakeRun, database: Database, emulator: Emulator
) -> None:
    bonds = [[f"sh.11{n:04}", "债", "no date", "", "4", "1"] for n in range(400)]
    alter(emulator, LIST, lambda rows: [*rows, *bonds, ["sh.700001", "新", "2020-01-02", "", "7", "1"]])
    assert complete(make_run(DAY, kinds=("stock",))) == "success"
    assert status(database)[4] is None
    assert len([code for code, *_ in rules(database) if code.startswith("sh.11")]) >= 400
    assert securities(database)["sh.700001"][1] == "other"


def test_a_list_in_which_too_many_rows_are_bad_is_not_believed(
    make_run: MakeRun, database: Database, emulator: Emulator
) -> None:
    run = make_run(DAY, settings=Settings(lock_timeout=20.0, max_rejected=5))
    read_list(run)
    before = securities(database)

    def garble(rows: Rows) -> None:
        for row in rows[::10]:
            row[IPO] = row[IPO][::-1]

    alter(emulator, LIST, garble)
    with pytest.raises(BadReply, match=r"list of securities, \d+ have invalid rows, s.* for one: .*nothing of"):
        read_list(run)
    assert securities(database) == before
    assert rules(database) == []


def test_many_contradictions_that_can_be_read_do_not_make_a_list_garbled(
    make_run: MakeRun, database: Database, emulator: Emulator
) -> None:
    def delist(rows: Rows) -> None:
        for row in [row for row in rows if row[TYPE] == "2"][:60]:
            row[STATUS] = "0"

    alter(emulator, LIST, delist)
    read_list(make_run(DAY, settings=Settings(lock_timeout=20.0, max_rejected=5)))
    said = "delisted by its status, and the day of delisting is lacking"
    assert {rule for _, rule, _ in rules(database)} == {said}


def test_a_code_that_two_lists_in_a_row_lack_is_no_longer_expected_until_it_is_back(
    make_run: MakeRun, database: Database, emulator: Emulator
) -> None:
    run, later = make_run(DAY, kinds=("stock",)), make_run("2025-10-10", kinds=("stock",))
    assert complete(run) == "success"
    whole = dict(emulator._answers._calls)
    alter(emulator, LIST, lambda rows: [row for row in rows if row[CODE] != "sh.600000"])

    def is_expected(on: Run) -> bool:
        return "sh.600000" in on.store.universe.expected(on.expectation, "stock")

    read_list(run)
    assert is_expected(later)
    read_list(run)
    assert not is_expected(later)
    assert is_expected(run)  # it has a bar of that day, which stays complete
    gone = "SELECT missed_lists, gone_from::text FROM ashare.security WHERE code = 'sh.600000'"
    assert database.rows(gone) == [(2, "2025-10-10")]
    read_list(run)
    assert database.rows(gone) == [(2, "2025-10-10")]
    bars = "SELECT count(*) FROM ashare.daily_bar WHERE code = 'sh.600000'"
    assert database.rows(bars) == [(1,)]
    # Neither a date's own run nor a history asks for it any more.
    emulator.add_fault(
        fault(MARKET, "truncated_page", rows=len(later.store.universe.expected(later.expectation, "stock")) - 5)
    )
    assert complete(later) == "success"
    asked = [record.params["code"] for record in emulator.requests if record.method == BY_CODE]
    assert "sh.600000" not in asked[3:]  # the first find out whether the day is published
    emulator._answers._calls.update(whole)
    read_list(run)
    assert is_expected(later)
    assert database.rows(gone) == [(0, None)]


@pytest.mark.parametrize("fetch", ["auto", "code"])
def test_a_cut_list_makes_no_code_gone(make_run: MakeRun, database: Database, emulator: Emulator, fetch: str) -> None:
    run = make_run(DAY, fetch=fetch)
    read_list(run)
    alter(emulator, LIST, lambda rows: rows[: len(rows) // 2])
    for _ in range(3):
        with pytest.raises(BadReply, match=r"stopped at \d+ rows and lacks \d+ that were listed on 2025-10-09"):
            read_list(run)
    # Where nothing is known of that day either, the list says nothing of what it lacks.
    emulator.add_fault(fault(LISTED, "empty", times=0))
    read_list(run)
    read_list(run)
    assert database.rows("SELECT count(*) FROM ashare.security WHERE missed_lists > 0 OR gone_from IS NOT NULL") == [
        (0,)
    ]


# ---------------------------------------------------------------------- adjust factors


def test_one_bad_factor_row_does_not_keep_the_others_out(make_run: MakeRun, database: Database) -> None:
    market = GeneratedMarket(start=date(2025, 5, 1), end=date(2025, 7, 31), stocks=300)
    day = next(day for day, is_open in market.trade_dates(market._sessions[5], market.end)
               if is_open and len(market.factors_on(day)) > 3)  # fmt: skip
    bad, *good = market.factors_on(day)

    def spoil(rows: Rows) -> None:
        rows[0][3] = "nan"

    with Emulator(market) as server:
        whole = dict(server._answers._calls)
        alter(server, FACTORS, spoil)
        run = make_run(str(day), source=source_of(server), kinds=("stock",))
        assert complete(run) == "success"
        known = "SELECT code, back_factor::text FROM ashare.adjust_factor WHERE ex_date = %s ORDER BY code"
        assert database.rows(known, day) == sorted((factor.code, factor.back) for factor in good)
        ((code, rule, _),) = rules(database, "factor")
        assert code == bad.code
        assert "is no number above 0" in rule
        assert "1 adjust factors set aside (ashare.rejected_row)" in status(database, str(day))[4]
        # The next answer has it right.
        server._answers._calls.update(whole)
        run.store.coverage.doubt(run.day, ["adjust_factor"])
        sync_adjust_factors(run)
        assert len(database.rows(known, day)) == len(good) + 1
        assert rules(database, "factor") == []


@pytest.mark.parametrize("rows", [1, 5])
def test_factors_of_which_most_are_bad_are_not_taken_for_none(
    make_run: MakeRun, database: Database, emulator: Emulator, rows: int
) -> None:
    codes = ["sh.600000", "sh.600519", "sh.601318", "sz.000001", "sz.000002"]
    bad = [[code, DAY, "1.0", "-1" if n < 3 else "1.5", "1.5"] for n, code in enumerate(codes[:rows])]
    alter(emulator, FACTORS, lambda _: bad)
    run = make_run(DAY)
    read_list(run)
    with pytest.raises(BadReply, match="is no number above 0"):
        sync_adjust_factors(run)
    assert not run.store.coverage.factors_are_in(run.day, run.today)
    assert database.rows("SELECT count(*) FROM ashare.adjust_factor") == [(0,)]


# ---------------------------------------------------------------------- NUL, and what is no text


def test_nul_in_any_reply_is_harmless(make_run: MakeRun, database: Database, emulator: Emulator) -> None:
    alter(emulator, LIST, put("sh.600000", name="浦发\0银行"))
    alter(emulator, MARKET, lambda rows: [[*rows[0][:1], "sh.6\0", *rows[0][2:]], *rows])
    alter(emulator, FACTORS, lambda rows: [*rows, ["sz.0\0", DAY, "\0", "1", "1"], ["sh.600000", DAY, "1", "2", "2"]])
    emulator.add_fault(fault(BY_CODE, "error", times=2, code="10002007", message="网络\0错误"))
    emulator.add_fault(fault("query_trade_dates", "error", times=1, code="1000\0", message="\0"))
    run = make_run(DAY)
    with pytest.raises(AshareError):
        plan_batches(run)
    assert status(database)[4] == "Baostock answered query_trade_dates with 1000 ()."
    for batch in plan_batches(run):
        with suppress(AshareError):
            fetch_and_copy(run, batch.batch_no)
    ((error,),) = database.rows("SELECT error FROM ashare.sync_batch WHERE error IS NOT NULL")
    assert "10002007 (网络错误" in error
    emulator.clear_faults()
    assert complete(run) == "success"
    assert securities(database)["sh.600000"][0] == "浦发银行"
    assert database.rows("SELECT code, raw ->> 'code' FROM ashare.rejected_bar") == [("sh.6", "sh.6")]
    assert [row[0] for row in rules(database, "factor")] == ["sz.0"]


def test_nul_in_what_is_recorded_of_a_run_is_harmless(make_run: MakeRun, database: Database) -> None:
    run = make_run(DAY, run_id="manual\0run", who="some\0body")
    run.store.work.fail(run.scope, "a\0b\ud800")
    with run.session() as session:
        session.trade_dates(run.day, run.day)
    assert database.rows("SELECT reason, run_id FROM ashare.sync_status") == [("ab?", "manualrun")]
    assert database.rows("SELECT DISTINCT who FROM ashare.source_request") == [("somebody",)]


# ---------------------------------------------------------------------- valuations


def test_a_valuation_that_is_no_number_is_blank_and_said(
    make_run: MakeRun, database: Database, emulator: Emulator, market: GeneratedMarket
) -> None:
    whole = dict(emulator._answers._calls)

    def spoil(rows: Rows) -> None:
        for row, text in zip(rows, ("nan", "-", "inf"), strict=False):
            row[13] = text

    alter(emulator, MARKET, spoil)
    run = make_run(DAY, kinds=("stock",))
    assert complete(run) == "success"
    codes = [row[1] for row in market.bars_on(run.day, "stock")[:3]]
    found = database.rows(
        "SELECT pe_ttm, pb_mrq IS NULL, close IS NULL FROM ashare.daily_bar WHERE code = ANY (%s)", codes
    )
    assert found == [(None, False, False)] * 3
    assert database.rows("SELECT code, raw ->> 'peTTM' FROM ashare.blanked_value ORDER BY 1") == list(
        zip(codes, ("nan", "-", "inf"), strict=True)
    )
    said = "3 with a valuation that is no number, left blank (ashare.blanked_value)"
    assert status(database)[4] == said
    assert database.rows("SELECT count(*) FROM ashare.rejected_bar") == [(0,)]
    emulator._answers._calls.update(whole)
    database.do("DELETE FROM ashare.daily_bar WHERE code <> ALL (%s)", codes)
    assert complete(make_run(DAY, kinds=("stock",))) == "success"
    assert database.rows("SELECT count(*) FROM ashare.blanked_value") == [(0,)]
    assert status(database)[4] is None


# ---------------------------------------------------------------------- bounded texts


def test_a_reason_and_an_error_are_bounded_wherever_they_are_stored(
    make_run: MakeRun, database: Database, emulator: Emulator
) -> None:
    emulator.add_fault(fault(BY_CODE, "error", times=0, code="10004009", message="x" * 50_000))
    run = make_run(DAY, batch_size=1)
    for batch in plan_batches(run):
        with suppress(AshareError):
            fetch_and_copy(run, batch.batch_no)
    run.store.batches.finish(run.plan, 2, "failed", 0, "y" * 10_000)
    for number in range(3, 13):
        run.store.batches.finish(run.plan, number, "failed", 0, "y" * 1_500)
    with pytest.raises(IncompleteDate) as told:
        record_status(run)
    assert status(database)[4].endswith(" more.")
    longest = database.rows(
        "SELECT max(length(reason)), (SELECT max(length(error)) FROM ashare.sync_batch) FROM ashare.sync_status"
    )
    assert all(length <= 2_000 for length in longest[0])
    assert len(str(told.value)) < 2_100
    run.store.work.fail(run.scope, "z" * 3_000)
    assert len(status(database)[4]) == 2_000


@pytest.mark.parametrize("separator", ["; ", " ", "\n"])
def test_a_list_that_is_cut_says_how_many_more_there_are(separator: str) -> None:
    parts = [f"sh.{n}: Baostock sent no adjust factors." for n in range(600000, 600600)]
    text = joined(parts, separator)
    assert 1_900 < len(text) <= 2_000
    shown = text.count("no adjust factors")
    assert text.endswith(f"{separator}and {600 - shown} more")
    long = joined(["x" * 5_000, "the second", "the third"], separator)
    assert len(long) <= 2_000
    assert long.endswith(f"{separator}the second{separator}the third")
    for most in (40, 60, 100):
        for size in range(1, 60):
            assert len(joined(["x" * size] * 7, separator, most)) <= most


def test_many_stocks_without_factors_are_one_short_sentence(database: Database) -> None:
    market = GeneratedMarket(start=date(2025, 9, 1), end=date(2025, 10, 31), stocks=100)
    with Emulator(market) as server:
        server.add_fault(fault("query_adjust_factor", "empty", times=0))
        now = at("2025-11-03T20:00")
        history = years(database, server, "2025-09-01", "2025-10-31", kinds=("stock",), now=now)
        (batch,) = plan_years(history)
        with pytest.raises(BadReply) as told:
            fetch_years(history, batch.batch_no)
    said = str(told.value)
    assert len(said) < 300
    assert " more: Baostock sent no adjust factors, and none of sh.600000 either." in said


# ---------------------------------------------------------------------- indices before 2006, ETFs before 2026


def years(database: Database, server: Emulator, first: str, last: str, **options: Any) -> HistoryRun:
    store = Store(database.connect)
    store.migrate()
    options.setdefault("settings", Settings(lock_timeout=20.0, indices=INDICES))
    options.setdefault("now", at("2006-06-01T20:00"))
    return HistoryRun(
        date.fromisoformat(first),
        date.fromisoformat(last),
        store=store,
        source=source_of(server),
        run_id="years",
        **options,
    )


def do(history: HistoryRun) -> str:
    for batch in plan_years(history):
        fetch_years(history, batch.batch_no)
    return record_years(history)


INDICES = ("sh.000001", "sh.000300", "sz.399330", "sz.399106")


@pytest.fixture(scope="module")
def old_market() -> GeneratedMarket:
    """Before and after the first bars of indices; of ``sh.000001`` there are none for years after its listing."""
    return GeneratedMarket(start=date(1999, 1, 4), end=date(2006, 5, 31), stocks=6, etfs=2)


@pytest.fixture
def old(old_market: GeneratedMarket) -> Iterator[Emulator]:
    with Emulator(old_market, now=at("2006-06-01T20:00")) as server:
        yield server


FIRST_BARS = "SELECT code, min(trade_date)::text FROM ashare.daily_bar GROUP BY code ORDER BY code"


def test_indices_are_asked_for_from_their_own_first_day(database: Database, old: Emulator) -> None:
    history = years(database, old, "1999-01-04", "2006-05-31", kinds=("index",))
    assert do(history) == "1999-01-04 to 2006-05-31 is complete."
    assert database.rows(FIRST_BARS) == [
        ("sh.000001", "2000-01-04"),
        ("sh.000300", "2005-01-04"),  # three months before it is listed
        ("sz.399106", "1999-01-04"),
        ("sz.399330", "2003-01-02"),
    ]
    first = "SELECT preclose::text FROM ashare.daily_bar WHERE code = 'sh.000300' AND trade_date = '2005-01-04'"
    assert database.rows(first) == [("0.0000",)]
    # That there is nothing is recorded once, as a range, and neither a history nor a date asks for it again.
    assert database.rows("SELECT code, first_date::text, last_date::text FROM ashare.absent_range") == [
        ("sh.000001", "1999-01-04", "2000-01-03")
    ]
    assert database.rows("SELECT count(*) FROM ashare.absent_bar") == [(0,)]
    asked = old.count(BY_CODE)
    assert asked <= 2 * len(INDICES)
    assert plan_years(history) == []
    run = a_day(database, old, "1999-06-01")
    assert complete(run) == "success"
    assert status(database, "1999-06-01")[:4] == ("success", 1, 1, 0)
    assert old.count(BY_CODE) == asked


def a_day(database: Database, server: Emulator, day: str, **options: Any) -> Run:
    store = Store(database.connect)
    store.migrate()
    options.setdefault("settings", Settings(lock_timeout=20.0, indices=INDICES))
    options.setdefault("kinds", ("index",))
    return Run(date.fromisoformat(day), store=store, source=source_of(server), now=at("2006-06-01T20:00"), **options)


def test_a_trade_date_before_an_indexs_first_bar_ends_green_and_is_found_out_once(
    database: Database, old: Emulator
) -> None:
    assert complete(a_day(database, old, "1999-03-01")) == "success"
    assert status(database, "1999-03-01")[:4] == ("success", 1, 1, 0)
    assert database.rows("SELECT code, first_date::text, last_date::text FROM ashare.absent_range") == [
        ("sh.000001", "1999-03-01", "2000-01-03")
    ]
    asked = old.count(BY_CODE)
    for day in ("1999-03-02", "1999-08-02"):
        assert complete(a_day(database, old, day)) == "success"
    assert old.count(BY_CODE) == asked
    # An earlier one makes the range longer.
    assert complete(a_day(database, old, "1999-02-01")) == "success"
    assert database.rows("SELECT code, first_date::text, last_date::text FROM ashare.absent_range") == [
        ("sh.000001", "1999-02-01", "2000-01-03")
    ]


ONE = Settings(lock_timeout=20.0, indices=("sh.000001",))


class Lacking(GeneratedMarket):
    """A market that has no bar of one index."""

    def bars_of(self, code: str, start: date, end: date) -> list[list[str]]:
        return [] if code == "sh.000001" else super().bars_of(code, start, end)


@pytest.mark.parametrize("answers", [True, False])
def test_an_empty_answer_about_years_is_believed_only_while_the_source_answers(
    database: Database, answers: bool
) -> None:
    market = Lacking(start=date(2004, 1, 5), end=date(2006, 5, 31), stocks=6)
    with Emulator(market, now=at("2006-06-01T20:00")) as server:
        run = a_day(database, server, "2004-03-01", settings=ONE)
        history = years(database, server, "2004-01-05", "2006-05-31", kinds=("index",), settings=ONE)
        if not answers:
            server.add_fault(fault(BY_CODE, "empty", times=0))
            with pytest.raises(BadReply, match="Baostock has no bar of 2004-03-01 for any of indices 1-1"):
                complete(run)
            plan_years(history)
            with pytest.raises(BadReply, match="Baostock sends no bars now"):
                fetch_years(history, 1)
            assert database.rows("SELECT count(*) FROM ashare.absent_range") == [(0,)]
            return
        assert complete(run) == "success"
        found = "SELECT code, first_date::text, last_date::text FROM ashare.absent_range"
        assert database.rows(found) == [("sh.000001", "2004-03-01", "2006-05-31")]


def test_a_silent_source_is_not_believed_even_where_other_indices_have_a_bar(
    database: Database, old: Emulator
) -> None:
    others = Settings(lock_timeout=20.0, indices=("sz.399106",))
    assert complete(a_day(database, old, "2004-03-01", settings=others)) == "success"
    old.add_fault(fault(BY_CODE, "empty", times=0))
    with pytest.raises(BadReply, match="for any of indices 1-2, and sends no bars of other securities now"):
        complete(a_day(database, old, "2004-03-01"))
    assert database.rows("SELECT count(*) FROM ashare.absent_bar") == [(0,)]


class Short(GeneratedMarket):
    """A market that has no bar of one index in a reply over more than a month."""

    def bars_of(self, code: str, start: date, end: date) -> list[list[str]]:
        return [] if code == "sh.000001" and (end - start).days > 31 else super().bars_of(code, start, end)


def test_an_empty_answer_about_years_that_another_answer_disproves_is_not_believed(database: Database) -> None:
    market = Short(start=date(2004, 1, 5), end=date(2006, 5, 31), stocks=6)
    with Emulator(market, now=at("2006-06-01T20:00")) as server:
        run = a_day(database, server, "2004-03-01", kinds=("stock", "index"), settings=ONE)
        with pytest.raises(
            BadReply, match=r"sh\.000001: Baostock sends no bars of years of which it has some: not believed"
        ):
            complete(run)
    assert database.rows("SELECT count(*) FROM ashare.absent_bar") == [(0,)]
    assert database.rows("SELECT count(*) FROM ashare.absent_range") == [(0,)]


def test_bars_of_etfs_before_their_first_day_are_neither_asked_for_nor_expected(
    make_run: MakeRun, database: Database
) -> None:
    market = GeneratedMarket(start=date(2025, 12, 1), end=date(2026, 1, 16), stocks=20, etfs=30)
    now = at("2026-01-19T20:00")
    with Emulator(market, now=now) as server:
        etf = next(security.code for security in market.securities() if security.type == "5")
        with make_run("2026-01-05", source=source_of(server), now=now).session() as session:
            sent = session.bars(etf, date(2025, 12, 1), date(2026, 1, 16)).column("date")
        assert min(sent) == "2026-01-05"
        asked = server.count(BY_CODE)
        run = make_run("2025-12-10", source=source_of(server), now=now, kinds=("etf",))
        assert complete(run) == "success"
        said = "Baostock's bars of ETFs begin on 2026-01-05: none is asked for before"
        assert status(database, "2025-12-10") == ("success", 0, 0, 0, said)
        assert server.count(BY_CODE) == asked
        options = {"kinds": ("etf",), "now": now}
        with pytest.raises(InvalidInput, match=r"ETFs begin on 2026-01-05, and the end date is 2025-12-31: choose"):
            years(database, server, "2025-12-01", "2025-12-31", **options)
        history = years(database, server, "2025-12-01", "2026-01-16", **options)
        assert do(history)
        ((plan,),) = database.rows("SELECT plan FROM ashare.history_run WHERE ended_at IS NOT NULL")
        assert plan.endswith(f"{said}.")
        asked_from = {record.params["start_date"] for record in server.requests[-40:] if record.method == BY_CODE}
        assert asked_from == {"2026-01-05"}
        assert database.rows("SELECT min(trade_date)::text FROM ashare.daily_bar") == [("2026-01-05",)]
