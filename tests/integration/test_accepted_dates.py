"""Trade dates that a person takes as they are: complete with what was wrong noted, until their bars change."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Any, Literal

import pytest

from ashare.alerts import Alerts, Delivery, Failure
from ashare.command import main
from ashare.dates import beijing_now
from ashare.doctor import OK, CheckedSystem, examine
from ashare.environment import Environment
from ashare.errors import BadReply, IncompleteDate, InvalidInput, SourceBusy
from ashare.settings import Settings
from ashare.status import status_reader
from ashare.store import Store
from ashare.store.database import lock_merging
from ashare.store.recorded_partitions import RecordedDates
from ashare.sync import history as history_steps
from ashare.sync import plan_batches, record_status
from ashare.sync.accept import MOST_REASON, accept, undo
from ashare.sync.history import HistoryRun
from ashare.sync.run import Run
from ashare_emulator.generated import GeneratedMarket
from ashare_emulator.market import COLUMNS, Row
from ashare_emulator.server import Emulator
from tests.conftest import Database, MakeRun, at, source_of
from tests.integration.trade_date import DAY, complete, status

EARLIER, BEFORE, AFTER, LATER = "2025-09-29", "2025-09-30", "2025-10-10", "2025-10-13"
NOW = at("2025-11-03T20:00")
REASON = "Baostock says so, and the exchange does, too"


Command = Callable[..., tuple[int, str, str]]


class Odd(GeneratedMarket):
    """A market whose bars of ``DAY`` can be made others than they are."""

    moved: frozenset[str] = frozenset()
    """Stocks whose preclose is not the last close."""
    lacking: frozenset[str] = frozenset()

    def _as_told(self, rows: list[Row]) -> list[Row]:
        return [self._row(row) for row in rows if row[0] != DAY or row[1] not in self.lacking]

    def _row(self, row: Row) -> Row:
        at_preclose = COLUMNS.index("preclose")
        if row[0] != DAY or row[1] not in self.moved:
            return row
        # Too little for pct_chg to notice.
        return [*row[:at_preclose], f"{float(row[at_preclose]) + 0.0001:.4f}", *row[at_preclose + 1 :]]

    def bars_on(self, day: date, kind: Literal["stock", "etf"]) -> list[Row]:
        return self._as_told(super().bars_on(day, kind))

    def bars_of(self, code: str, start: date, end: date) -> list[Row]:
        return self._as_told(super().bars_of(code, start, end))


@pytest.fixture(scope="module")
def odd_market() -> Odd:
    return Odd(start=date(2025, 9, 1), end=date(2025, 10, 31), stocks=300)


@pytest.fixture
def odd(odd_market: Odd) -> Iterator[Odd]:
    rows = GeneratedMarket.bars_on(odd_market, date.fromisoformat(DAY), "stock")
    odd_market.moved = frozenset([row[1] for row in rows if row[11] == "1"][:20])
    odd_market.lacking = frozenset()
    yield odd_market


@pytest.fixture
def server(odd: Odd) -> Iterator[Emulator]:
    with Emulator(odd) as running:
        yield running


@pytest.fixture
def stocks(make_run: MakeRun, server: Emulator) -> MakeRun:
    """Make a run of the stocks alone against the odd source."""
    return lambda day, **options: make_run(day, source=source_of(server), kinds=("stock",), **options)


@pytest.fixture
def red(stocks: MakeRun) -> Run:
    """A date of which everything is there, and 20 precloses are not the last close."""
    complete(stocks(BEFORE))
    run = stocks(DAY)
    with pytest.raises(IncompleteDate, match="the preclose of 20 of"):
        complete(run)
    return run


def today() -> str:
    return f"{beijing_now():%Y-%m-%d}"


def ends(database: Database) -> list[tuple[Any, ...]]:
    return database.rows("SELECT trade_date::text, ended_because FROM ashare.accepted_date ORDER BY id")


def test_an_accepted_date_is_complete_with_what_was_wrong_in_its_record(red: Run, database: Database) -> None:
    before = status(database)
    run_id = database.rows("SELECT run_id FROM ashare.sync_status WHERE trade_date = %s", DAY)
    said = accept(red.store, red.day, f" {REASON}.\n", "li")
    state, expected, loaded, missing, reason = status(database)
    assert (state, expected, loaded, missing) == ("success", before[1], before[2], 0)
    assert reason == said
    assert said.startswith(
        f"accepted by li on {today()}: {REASON}; the bars contradict what is known: the preclose of 20"
    )
    assert database.rows("SELECT run_id FROM ashare.sync_status WHERE trade_date = %s", DAY) == run_id
    assert RecordedDates(red.store, ["stock"]).complete([red.day]) == {red.day}
    assert database.rows(
        "SELECT coverage FROM ashare.trade_date_state('{stock_bar}', %s, %s, NULL, NULL, '{}')", DAY, DAY
    ) == [("accepted",)]


def test_nothing_of_an_accepted_date_is_asked_for_and_nothing_turns_it_red(
    red: Run, stocks: MakeRun, server: Emulator, database: Database
) -> None:
    said = accept(red.store, red.day, REASON, "li")
    assert [batch for batch in plan_batches(stocks(DAY)) if not batch.again] == []  # its own run, again
    asked = server.count("query_daily_adjust_factor")
    assert complete(stocks(DAY)) == "success"
    assert server.count("query_daily_adjust_factor") == asked  # not for its adjust factors either
    assert status(database)[0::4] == ("success", said)
    # The dates around it: the one after it is held against it, and a day later earlier dates are read again.
    complete(stocks(AFTER))
    database.do("UPDATE ashare.counted_partition SET verified_at = verified_at - interval '2 days'")
    about_it = [request for request in server.requests if DAY in str(request)]
    assert complete(stocks(LATER)) == "success"
    assert [request for request in server.requests if DAY in str(request)] == about_it
    database.do("DELETE FROM ashare.daily_bar WHERE trade_date = %s", BEFORE)
    assert complete(stocks(BEFORE)) == "success"  # looks at the one after it
    assert status(database)[0::4] == ("success", said)
    assert ends(database) == [(DAY, None)]


def test_a_date_of_which_a_whole_kind_has_no_bar_cannot_be_accepted(
    make_run: MakeRun, server: Emulator, database: Database
) -> None:
    """The indices are there; the market contradicted, and nothing of it was written."""
    run = make_run(DAY, source=source_of(server), kinds=("index",))
    assert complete(run) == "success"
    database.do(
        "INSERT INTO ashare.work (dataset, partition, run_id, error, ended_at) "
        "VALUES ('stock_bar', %s, 'refused', 'refused.', now())",
        DAY,
    )
    with pytest.raises(InvalidInput, match=r"has no bars of stocks: .* --conf '\{\"fetch\": \"code\"\}'"):
        accept(run.store, run.day, REASON, "li")
    assert ends(database) == []


def test_bars_of_other_kinds_undo_no_acceptance(make_run: MakeRun, database: Database) -> None:
    day, before, options = "2026-01-12", "2026-01-09", {"now": at("2026-02-02T20:00"), "kinds": ("stock",)}
    with Emulator(GeneratedMarket(start=date(2025, 12, 1), end=date(2026, 1, 31), stocks=60)) as emulator:
        options["source"] = source_of(emulator)
        complete(make_run(before, **options))
        run = make_run(day, **options)
        complete(run)
        code = database.rows("SELECT min(code) FROM ashare.daily_bar WHERE trade_date = %s", day)[0][0]
        database.do("DELETE FROM ashare.daily_bar WHERE trade_date = %s AND code = %s", day, code)
        with pytest.raises(IncompleteDate, match=r"1 of .* stocks have no bar"):
            record_status(run)
        said = accept(run.store, run.day, REASON, "li")
        etfs = HistoryRun(
            run.day, run.day, store=run.store, source=run.source,
            kinds=("etf",), settings=run.settings, now=at("2026-02-02T20:00"),
        )  # fmt: skip
        for batch in history_steps.plan_batches(etfs):
            history_steps.fetch_and_copy(etfs, batch.batch_no)
        history_steps.record_status(etfs)
    assert run.store.bars.has_bars(run.day, "etf")
    assert status(database, day)[0::4] == ("success", said)
    assert database.rows("SELECT kinds FROM ashare.sync_status WHERE trade_date = %s", day) == [(["stock"],)]
    assert ends(database) == [(day, None)]


def test_what_lacks_in_an_accepted_date_is_in_its_figures_and_no_history_asks_for_it(
    stocks: MakeRun, server: Emulator, odd: Odd, database: Database
) -> None:
    odd.lacking, odd.moved = frozenset(sorted(odd.moved)[:5]), frozenset()
    run = stocks(DAY, settings=Settings(lock_timeout=20.0, max_absent=0))
    with pytest.raises(BadReply, match="more than ASHARE_MAX_ABSENT"):
        complete(run)
    with pytest.raises(IncompleteDate, match="5 of 301 stocks have no bar"):
        record_status(run)
    said = accept(run.store, run.day, REASON, "li")
    state, expected, loaded, missing, reason = status(database)
    assert (state, loaded, missing, reason) == ("success", expected - 5, 5, said)
    history = HistoryRun(
        run.day, run.day, store=run.store, source=source_of(server), kinds=("stock",), settings=run.settings, now=NOW
    )
    assert [wanted for wanted in history.tables.wanted() if wanted.missing] == []
    assert history.tables.gaps(sorted(odd.lacking), "stock") == {}
    # The one after it is not held against how many there are.
    assert complete(stocks(AFTER, settings=run.settings)) == "success"
    undo(run.store, run.day, "li")
    assert {wanted.code for wanted in history.tables.wanted() if wanted.missing} == odd.lacking


def test_it_is_undone_when_a_load_changes_its_bars_and_the_date_says_so(
    red: Run, stocks: MakeRun, odd: Odd, database: Database
) -> None:
    """By a request of another date, not next to it, whose answer reaches to the newest."""
    accept(red.store, red.day, REASON, "li")
    odd.moved = frozenset(sorted(odd.moved)[:18])
    assert complete(stocks(EARLIER, fetch="code")) == "success"
    state, *_, reason = status(database)
    assert state == "failed"
    assert f"its bars have changed since it was accepted by li on {today()}: {REASON}" in reason
    assert ends(database) == [(DAY, "its bars have changed")]
    odd.moved = frozenset()
    with pytest.raises(IncompleteDate, match="the next run reads the date again"):
        complete(stocks(DAY))
    assert complete(stocks(DAY)) == "success"
    assert status(database)[4] is None


def test_it_is_undone_when_bars_are_deleted_by_hand_at_the_next_look(
    red: Run, stocks: MakeRun, database: Database
) -> None:
    accept(red.store, red.day, REASON, "li")
    (code,) = database.rows("SELECT min(code) FROM ashare.daily_bar WHERE trade_date = %s", DAY)[0]
    database.do("DELETE FROM ashare.daily_bar WHERE trade_date = %s AND code = %s", DAY, code)
    assert RecordedDates(red.store, ["stock"]).complete([red.day]) == set()  # a backfill runs it
    with pytest.raises(IncompleteDate, match="its bars have changed since it was accepted by li"):
        record_status(stocks(DAY))
    assert f"have no bar: {code}" in status(database)[4]
    assert ends(database) == [(DAY, "its bars have changed")]


def test_the_same_bars_loaded_again_change_nothing(red: Run, stocks: MakeRun, database: Database) -> None:
    accept(red.store, red.day, REASON, "li")
    database.do("DELETE FROM ashare.daily_bar WHERE trade_date = %s", BEFORE)
    assert complete(stocks(BEFORE, fetch="code")) == "success"
    assert ends(database) == [(DAY, None)]
    assert status(database)[0] == "success"


def test_a_history_that_changes_an_accepted_date_undoes_it_and_others_leave_it(
    red: Run, server: Emulator, odd: Odd, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = accept(red.store, red.day, REASON, "li")
    monkeypatch.setattr("ashare.sync.history.range_plan.Estimate.goes_by_date", False)

    def run_history() -> str:
        history = HistoryRun(
            date(2025, 9, 30),
            date(2025, 10, 10),
            store=red.store,
            source=source_of(server),
            kinds=("stock",),
            settings=red.settings,
            now=NOW,
        )
        batches = history_steps.plan_batches(history)
        for batch in batches:
            history_steps.fetch_and_copy(history, batch.batch_no)
        return history_steps.record_status(history)

    assert run_history().endswith("is complete.")
    assert status(database)[0::4] == ("success", said)
    # A page that begins before the date brings it again, and it is another.
    odd.moved = frozenset(sorted(odd.moved)[:18])
    database.do("DELETE FROM ashare.daily_bar WHERE trade_date <> %s", DAY)
    with pytest.raises(IncompleteDate, match="1 trade dates are not complete"):
        run_history()
    assert "its bars have changed since it was accepted by li" in status(database)[4]


def test_undone_by_hand_the_date_is_what_its_rows_say(
    red: Run, stocks: MakeRun, odd: Odd, database: Database
) -> None:
    accept(red.store, red.day, REASON, "li")
    assert undo(red.store, red.day, "wang").startswith(f"{DAY} is not complete: the bars contradict")
    assert status(database)[0] == "failed"
    assert ends(database) == [(DAY, "undone by wang")]
    assert "the preclose of 20 of" in status(database)[4]
    assert "accepted" not in status(database)[4]
    with pytest.raises(InvalidInput, match=f"{DAY} is not accepted: there is nothing to undo"):
        undo(red.store, red.day, "wang")
    accept(red.store, red.day, "after all", "li")
    assert status(database)[0] == "success"
    undo(red.store, red.day, "li")
    odd.moved = frozenset()
    assert complete(stocks(DAY)) == "success"


def test_what_cannot_be_accepted_is_refused_in_a_sentence(red: Run, stocks: MakeRun, database: Database) -> None:
    def refused(day: str, says: str, reason: str = REASON) -> None:
        with pytest.raises(InvalidInput, match=says):
            accept(red.store, date.fromisoformat(day), reason, "li")

    refused(DAY, "There is no reason: say in a sentence", " \n\0")
    refused(DAY, f"has {MOST_REASON + 1} characters, and at most {MOST_REASON}", "x" * (MOST_REASON + 1))
    refused("2999-01-01", "is in the future")
    refused("1985-01-01", "before 1990-12-19")
    refused(BEFORE, f"{BEFORE} is complete: there is nothing to accept")
    refused("2025-10-01", "not a trading day.* There is nothing to accept")
    refused(AFTER, f"Nothing is recorded of {AFTER}: run it first")
    refused("2024-03-04", "Nothing is recorded of 2024-03-04: run it first")
    plan_batches(stocks(AFTER))
    refused(AFTER, f"{AFTER} is being synced: accept it when its run has ended")
    with pytest.raises(IncompleteDate):
        record_status(stocks(AFTER))
    refused(AFTER, f"{AFTER} has no bars of stocks: there is nothing to accept")
    accept(red.store, red.day, REASON, "li")
    refused(DAY, f"{DAY} is accepted by li on {today()}: {REASON}. To give another reason, undo that first")
    assert ends(database) == [(DAY, None)]


def test_of_two_who_accept_at_once_one_does(red: Run, database: Database) -> None:
    def one(who: str) -> str:
        with Store(database.connect) as store:
            try:
                return accept(store, red.day, REASON, who)
            except InvalidInput as error:
                return str(error)

    with ThreadPoolExecutor(2) as pool:
        said = sorted(pool.map(one, ("li", "wang")))
    assert said[0].startswith(f"{DAY} is accepted by")
    assert said[1].startswith("accepted by")
    assert ends(database) == [(DAY, None)]


def test_an_accepted_date_ends_its_alert_and_is_shown_with_its_reason(
    red: Run, server: Emulator, database: Database, command: Command
) -> None:
    Alerts(red.store, lambda: Delivery([])).failed(Failure("scheduled__1", "", trade_date=red.day))
    open_alerts = "SELECT trade_date::text FROM ashare.alert WHERE resolved_at IS NULL"
    settings = Settings(kinds=("stock",))  # as the run
    assert database.rows(open_alerts) == [(DAY,)]
    assert command(DAY, "--reason", REASON)[0] == 0
    assert database.rows(open_alerts) == []
    system = CheckedSystem(
        red.store, lambda: source_of(server), lambda: settings, lambda: (8, 1), list, at(f"{DAY}T23:30")
    )
    (found,) = (finding for finding in examine(system) if finding.name == DAY)
    assert found.state == OK
    assert "bars; accepted by " in found.text
    assert REASON in found.text
    with status_reader(red.store, settings=settings) as reader:
        (listed,) = reader.records(start=red.day, end=red.day)
        assert (listed["status"], listed["coverage"], listed["reason"]) == (
            "success",
            "accepted",
            status(database)[4],
        )
        assert reader.coverage(red.day, red.day)[0][1] == "accepted"
        assert reader.wanting(red.day, red.day) == []
        assert reader.need(red.day)[1].startswith(f"{DAY} counts as complete: it is accepted by ")
    remarks = "SELECT status, remarks FROM ashare.daily_sync_status WHERE sync_date = %s"
    assert database.rows(remarks, DAY) == [("success", status(database)[4])]


def test_who_accepts_waits_for_a_merge_for_seconds_and_not_for_hours(
    red: Run, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ashare.sync.accept.WAIT_SECONDS", 0.2)
    with database.connect() as merging:
        lock_merging(merging)
        with pytest.raises(SourceBusy, match="Bars have been merged for over"):
            accept(red.store, red.day, REASON, "li")
    assert ends(database) == []
    accept(red.store, red.day, REASON, "li")
    assert status(database)[0] == "success"


# ---------------------------------------------------------------------- the command


@pytest.fixture
def command(database: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """The command at a prompt that has the database's connection."""
    monkeypatch.setenv("AIRFLOW_CONN_ASHARE_POSTGRES", database.server.connection_json(database.name))

    def run(*arguments: str) -> tuple[int, str, str]:
        try:
            code = main(["accept", *arguments], Environment())
        finally:
            logging.disable(logging.NOTSET)
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def test_the_command_accepts_lists_and_undoes(red: Run, database: Database, command: Command) -> None:
    assert command("--list") == (0, "No trade date is accepted as it is.\n", "")
    code, out, err = command(DAY, "--reason", REASON, "--by", "li")
    assert (code, err) == (0, "")
    assert out == f"{DAY} is complete as it is: {status(database)[4]}\n"
    assert command("--list") == (0, f"{DAY}  {status(database)[4]}\n", "")
    code, out, err = command(DAY, "--undo")
    assert (code, err) == (0, "")
    assert out.startswith(f"{DAY} is not complete: ")
    assert command("--list")[1] == "No trade date is accepted as it is.\n"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "There is no date: give one as YYYY-MM-DD"),
        ((DAY,), "There is no reason"),
        ((DAY, "--reason", "x", "--undo"), "give one of them"),
        (("--list", DAY), "--list shows what is accepted, and takes nothing else"),
        (("yesterday", "--reason", "x"), "'yesterday' is not a trade date: write it as YYYY-MM-DD"),
    ],
)
def test_the_command_refuses_in_one_sentence(command: Command, arguments: tuple[str, ...], says: str) -> None:
    code, out, err = command(*arguments)
    assert (code, out) == (2, "")
    assert says in err
    assert err.count("\n") == 1


def test_the_help_says_what_accepting_means(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["accept", "--help"])
    said = " ".join(capsys.readouterr().out.split())
    for words in ("counts as complete", "judged again", "--undo", "--list", "AIRFLOW_CONN_ASHARE_POSTGRES"):
        assert words in said
