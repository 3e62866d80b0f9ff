"""The first step: find the missing data of the range, estimate their cost, and cut them into batches of codes."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import groupby

from ashare import cost
from ashare.cost import PAGE_SESSIONS, Cost
from ashare.datasets import BARS_APPEAR, ETFS_FROM, MARKET_DAY_FROM
from ashare.errors import InvalidInput
from ashare.source import Session
from ashare.store import Batch
from ashare.store.history_tables import SecurityGap
from ashare.sync.by_code import INDEX, lately
from ashare.sync.history.span import HistoryRun
from ashare.sync.judge import NO_ETFS
from ashare.sync.plan import code_batches
from ashare.sync.publication import SAMPLE
from ashare.sync.reference import (
    REFERENCE_WORK,
    UNIVERSE_PAGES,
    refresh_calendar,
    refresh_universe,
    universe_is_wanted,
)

log = logging.getLogger(__name__)

MOST_BATCHES = 1000
"""Airflow maps a task over 1,024 values at most (core.max_map_length)."""

MARGIN_SESSIONS = 20
"""Baostock may lack up to this many first sessions of a range, although its data do not begin later."""


@dataclass(frozen=True)
class Estimate:
    """The data that the range lacks, and the cost of fetching them either way.

    :ivar wanted: the securities that lack bars or adjust factors.
    :ivar securities: number of securities that were listed in the range.
    :ivar days: the trade dates that are not complete.
    :ivar beside: what the dates one by one would leave: adjust factors, and bars of dates that count as complete.
    :ivar by_code: the cost of fetching bars and adjust factors by code.
    :ivar by_date: the cost of fetching the dates' bars date by date, and the rest (``beside``) by code.
    :ivar has_market_calls: whether date by date is possible: whole-market calls bring all of each date.
    :ivar fits: whether Airflow takes as many batches as date by date makes.
    :ivar left: requests that this run may still send today.
    :ivar a_day: requests that this run may send on any other day.
    """

    wanted: Sequence[SecurityGap]
    securities: int
    days: Sequence[date]
    beside: Sequence[SecurityGap]
    by_code: Cost
    by_date: Cost
    has_market_calls: bool
    fits: bool
    left: int
    a_day: int

    @property
    def goes_by_date(self) -> bool:
        """Whether fetching date by date is possible and ends sooner than fetching by code."""
        return self.has_market_calls and self.fits and self.is_less_by_date

    @property
    def is_less_by_date(self) -> bool:
        return self.by_date.is_less_than(self.by_code, self.left, self.a_day)


def plan_batches(history: HistoryRun) -> list[Batch]:
    """Write the missing data of the range as batches of codes, with the plan in words, and return the batches.

    :raises InvalidInput: a code is unknown or not of the kinds, Baostock has no bars in the range, or there are
        more batches than Airflow takes.
    """
    history.tables.forget_plan()
    ensure_range_reference(history)
    check_codes(history)
    begins = first_day_with_bars(history) if history.codes is None else None
    if begins is not None:
        log.info("Baostock has no bars before %s: the range begins there.", begins)
        history = replace(history, start=begins)
    history.tables.analyze()
    found = estimate(history)
    batches = cut_batches(history, found)
    if len(batches) > MOST_BATCHES:
        raise InvalidInput(
            f"batch_size {history.batch_size} makes {len(batches)} batches, and Airflow takes {MOST_BATCHES}: choose "
            f"{-(-len(found.wanted) // MOST_BATCHES) + 1} or more."
        )
    text = words_of_plan(history, found, len(batches))
    if begins is not None:
        text = f"Baostock has no bars before {begins}: the range begins there. {text}"
    batches = history.store.batches.replace(history.plan, batches)
    history.tables.plan(text)
    log.info("%s", text)
    return batches


def ensure_range_reference(history: HistoryRun) -> None:
    """Read the range's calendar and the list of securities, in one session, where they are missing or stale."""
    tables = history.tables
    with history.store.mutex(REFERENCE_WORK, history.settings.lock_timeout):
        knows_calendar = tables.calendar_is_known(BARS_APPEAR)
        if knows_calendar and not universe_is_wanted(history.on(history.end)):
            return
        with history.session(1 if knows_calendar else 2 * UNIVERSE_PAGES) as session:
            if not knows_calendar:
                refresh_calendar(history.on(history.start), session)
            sessions = tables.sessions()
            if sessions and universe_is_wanted(history.on(history.end)):
                # The list is compared with the securities listed on the last session.
                refresh_universe(history.on(sessions[-1]), session)


def first_day_with_bars(history: HistoryRun) -> date | None:
    """The first day with bars at Baostock, if the range begins long before that day; else ``None``.

    Without this limit, each security would be requested for the days before, and their absence never be believed.

    :raises InvalidInput: Baostock answers, and has no bars in the range.
    """
    sessions = history.tables.sessions()
    if "stock" not in history.kinds or len(sessions) <= MARGIN_SESSIONS:
        return None
    early = sessions[MARGIN_SESSIONS - 1]
    known = history.tables.first_day()
    stocks = replace(history.on(sessions[0]), kinds=("stock",))
    listed = history.store.universe.sample_codes(stocks.expectation, SAMPLE)
    if not listed or (known is not None and known <= early):
        return None
    first_bars: list[date] = []
    with history.session(len(listed)) as session:
        for code in listed:
            first_bar = _first_bar_of(session, code, sessions)
            if first_bar is not None and first_bar <= early:
                return None
            first_bars += [first_bar] if first_bar else []
        recent = lately(history.today)
        if not first_bars and recent[0] > history.end and session.bars(INDEX, *recent).rows:
            raise InvalidInput(
                f"Baostock has no bars from {history.start} to {history.end} (asked for {', '.join(listed)}, which "
                "were listed then): choose a later range."
            )
    return min(first_bars, default=None)


def _first_bar_of(session: Session, code: str, sessions: Sequence[date]) -> date | None:
    for at in range(0, len(sessions), PAGE_SESSIONS):
        page = sessions[at : at + PAGE_SESSIONS]
        for _ in range(2):  # one answer of no bar is no proof
            days = session.bars(code, page[0], page[-1]).column("date")
            if days:
                return date.fromisoformat(min(days))
    return None


def check_codes(history: HistoryRun) -> None:
    """Refuse codes that are not in the list of securities, or not of the run's kinds.

    :raises InvalidInput: a code is refused; the text says why.
    """
    known = history.store.universe.known_kinds()
    for code in history.codes or ():
        if code.startswith("bj."):
            raise InvalidInput(f"{code}: Baostock lists the Beijing exchange, but has no bars of it.")
        if code not in known:
            raise InvalidInput(f"There is no security {code}: look for it in ashare.security.")
        if known[code] not in history.kinds:
            raise InvalidInput(
                f"{code} is of the kind {known[code]}, and kinds is {', '.join(history.kinds)}: add its kind, or "
                "leave the code out (bonds and others are not loaded)."
            )


def estimate(history: HistoryRun) -> Estimate:
    """Estimate the missing data of the range and their cost, from the tables alone."""
    listed = history.tables.wanted()
    wanted = lacking_of(listed)
    days = history.tables.unsettled()
    beside = [replace(security, missing=0) for security in wanted if security.factors]
    with history.store.transaction() as connection:
        of_days, _ = cost.by_date(connection, days)
    is_possible = not history.is_part and bool(days) and min(days) >= MARKET_DAY_FROM["stock"]
    batches = len(wanted) // history.batch_size + len(history.kinds)
    fits = len(days) + batches <= MOST_BATCHES
    a_day = history.settings.request_budget - history.settings.reserve
    left = max(a_day - history.store.ledger.limit().used_today, 0)
    by_code, by_date = _by_code(history, wanted), of_days + _by_code(history, beside)
    found = Estimate(wanted, len(listed), days, beside, by_code, by_date, is_possible, fits, left, a_day)
    if found.goes_by_date:
        beside = lacking_of(history.tables.wanted(apart_from=days))
        found = replace(found, beside=beside, by_date=of_days + _by_code(history, beside))
    return found


def lacking_of(securities: Sequence[SecurityGap]) -> list[SecurityGap]:
    """The securities that lack bars or adjust factors."""
    return [security for security in securities if security.missing > 0 or security.factors]


def _by_code(history: HistoryRun, securities: Sequence[SecurityGap]) -> Cost:
    requests = sum(cost.pages(security.missing) + security.factors for security in securities)
    kinds = {security.kind for security in securities}
    with history.store.transaction() as connection:
        return cost.by_code(connection, requests, len(securities) // history.batch_size + len(kinds))


def cut_batches(history: HistoryRun, found: Estimate) -> list[Batch]:
    """Cut the work into batches: a trade date each, then those of codes; or, by code alone, only those of codes."""
    if not found.goes_by_date:
        return _code_batches(history, found.wanted)
    # `heals`: the batch syncs the date as its own run would.
    dates = [Batch("stock", "market_day", None, f"{day}, whole market", heals=day) for day in found.days]
    return dates + _code_batches(history, found.beside)


def _code_batches(history: HistoryRun, wanted: Sequence[SecurityGap]) -> list[Batch]:
    """Cut the securities into batches of up to ``batch_size`` codes of one kind, stocks first."""
    batches: list[Batch] = []
    for kind, securities in groupby(wanted, key=lambda security: security.kind):
        batches += code_batches(kind, [security.code for security in securities], history.batch_size)
    return [
        replace(each, label=f"{each.label}, {each.codes[0]} to {each.codes[-1]}") for each in batches if each.codes
    ]


def words_of_plan(history: HistoryRun, found: Estimate, batches: int) -> str:
    """The plan for the log and the page."""
    span = f"{history.start} to {history.end}"
    no_etfs = f" {NO_ETFS}." if "etf" in history.kinds and history.start < ETFS_FROM else ""
    if not found.wanted:
        return (
            f"{span}: nothing is lacking of {found.securities} securities, and nothing is asked of Baostock.{no_etfs}"
        )
    left, a_day = found.left, found.a_day
    text = f"{span}: {len(found.wanted)} of {found.securities} securities lack bars or adjust factors."
    by_code = f"by code {found.by_code.describe(left, a_day)}"
    by_date = f"its {len(found.days)} trade dates one by one {found.by_date.describe(left, a_day)}"
    ways = [by_date, by_code] if found.goes_by_date else [by_code, by_date]
    text += f" {ways[0][0].upper()}{ways[0][1:]}"
    if not history.is_part and found.days:
        if not found.has_market_calls:
            text += f", {ways[1]}"
        elif found.is_less_by_date and not found.fits:
            text += f", {ways[1]} would be more batches than Airflow takes"
        else:
            text += f", {ways[1]} would be more"
    return f"{text}; in {batches} batches. {left} of {a_day} requests are left today.{no_etfs}"
