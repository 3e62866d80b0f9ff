"""Reference data: the calendar, and the universe with its listing dates; read when missing or stale."""

from __future__ import annotations

import logging
from collections.abc import Collection
from datetime import date, timedelta
from itertools import pairwise

from ashare.datasets import MARKET_DAY_FROM, published_at
from ashare.dates import FIRST_TRADE_DATE, SHANGHAI
from ashare.errors import BadReply, TerminalError
from ashare.source import Session, Table
from ashare.source.replies import PAGE_ROWS
from ashare.sync.publication import not_yet
from ashare.sync.run import Run
from ashare.sync.securities import check_securities

log = logging.getLogger(__name__)

UNIVERSE_PAGES = 4
"""The pages of the list of securities: some 7,700 rows."""

REFERENCE_WORK = "the calendar and the list of securities"
"""Name of the mutex around reading both: of two concurrent runs, the second finds them read."""


def is_session(run: Run) -> bool:
    """Whether the trade date is a session, by the stored calendar; a missing or stale entry is read from Baostock.

    :raises NotPublishedYet: the calendar ends before today, as on the first days of a year.
    :raises TerminalError: the calendar does not cover the date, or not today by ``GIVE_UP``.
    """
    if not calendar_is_known(run):
        ensure_reference(run)
    known = run.store.calendar.session(run.day)
    if known is None and run.day == run.today:
        raise not_yet(run, "the calendar", "Baostock's calendar ends before it")
    if known is None:
        raise TerminalError(
            f"Baostock's calendar does not cover {run.day} (it ends with the current year): "
            "run the date again when it does."
        )
    return known[0]


def calendar_is_known(run: Run) -> bool:
    """Whether the trade date has a calendar entry that is not stale.

    The entry of an open day in the past is stale if it was read before that day's bars should be out: an exchange
    may close at short notice, after the calendar was read (31 January 2020).
    """
    known = run.store.calendar.session(run.day)
    if known is None:
        return False
    is_open, fetched_at = known
    return not is_open or run.day >= run.today or fetched_at >= published_at(run.day)


def closed_reason(day: date) -> str:
    """The sentence for a day without a session."""
    what = "a weekend" if day.weekday() >= 5 else "an exchange holiday"
    return f"{day} is not a trading day: {what}, by Baostock's calendar."


def universe_is_known(run: Run) -> bool:
    """Whether the list of securities was read after the trade date's close, and so has all listings up to then."""
    refreshed = run.store.universe.refreshed_at()
    return refreshed is not None and refreshed >= published_at(run.day)


def universe_is_wanted(run: Run) -> bool:
    """Whether the list of securities has to be read: it is stale, or bars of securities came that it lacks."""
    refreshed = run.store.universe.refreshed_at()
    if refreshed is None or refreshed < published_at(run.day):
        return True
    found_wrong = run.store.universe.found_wrong_at()
    return found_wrong is not None and found_wrong > refreshed


def ensure_reference(run: Run) -> None:
    """Read the calendar and the universe, in one session, where they are missing or stale.

    One read serves all earlier trade dates: a backfill reads once, and a daily run once a day.
    """
    with run.store.mutex(REFERENCE_WORK, run.settings.lock_timeout):
        known = run.store.calendar.session(run.day)
        if calendar_is_known(run) and known and not (known[0] and universe_is_wanted(run)):
            return
        with run.session(_pages(run)) as session:
            if not calendar_is_known(run):
                refresh_calendar(run, session)
                known = run.store.calendar.session(run.day)
            if known and known[0] and universe_is_wanted(run):
                refresh_universe(run, session)


def _pages(run: Run) -> int:
    """Number of requests that reading the missing or stale reference data takes."""
    pages = 0 if calendar_is_known(run) else -(-(run.today - _calendar_from(run)).days // PAGE_ROWS)
    if universe_is_wanted(run):
        pages += UNIVERSE_PAGES if _is_held_against_the_market(run) else 2 * UNIVERSE_PAGES
    return pages


def _calendar_from(run: Run) -> date:
    """The first day to read: 1 January of the trade date's year.

    In January it is 1 January of the year before, for the sessions before the trade date.
    """
    return max(date((run.day - timedelta(days=31)).year, 1, 1), FIRST_TRADE_DATE)


def refresh_calendar(run: Run, session: Session) -> None:
    """Read the calendar, from ``_calendar_from`` to the end of the current year, and save it.

    :raises BadReply: a day is missing in between, or an entry cannot be read.
    """
    days = _read_calendar(session.trade_dates(_calendar_from(run), date(run.today.year, 12, 31)))
    for (day, _), (following, _) in pairwise(days):
        if following != day + timedelta(days=1):
            raise BadReply(f"Baostock's calendar jumps from {day} to {following}; nothing of it was kept.")
    run.store.calendar.save(days)
    log.info("Read Baostock's calendar: %d days.", len(days))


def calendar_read_on(run: Run) -> date | None:
    """The Beijing day on which the trade date's calendar entry was read."""
    known = run.store.calendar.session(run.day)
    return known[1].astimezone(SHANGHAI).date() if known else None


def _read_calendar(table: Table) -> list[tuple[date, bool]]:
    try:
        flags = {"0": False, "1": True}
        return sorted(
            (date.fromisoformat(day), flags[is_open])
            for day, is_open in table.columns("calendar_date", "is_trading_day")
        )
    except (ValueError, KeyError) as error:
        raise BadReply(f"Baostock's calendar has an entry that cannot be read ({error}).") from None


def _is_held_against_the_market(run: Run) -> bool:
    """Whether whole-market replies will reveal a cut list: they bring bars of securities that the list lacks."""
    return all(run.has_market_call(kind) for kind in run.kinds if kind in MARKET_DAY_FROM)


def refresh_universe(run: Run, session: Session) -> None:
    """Read the list of all securities and save it.

    :raises BadReply: the list was cut, or too many of its rows are bad.
    """
    table = session.security_basics()
    found = check_securities(table, run.store.universe.known_kinds(), run.today, run.settings.max_rejected)
    codes, few = found.codes, run.settings.max_deviating
    # A code that an earlier list had and this one lacks is gone, or this list was cut.
    lacks_many = len(run.store.universe.listed_codes_beside(codes, run.today)) > few
    is_proven = False
    if len(table.rows) % PAGE_ROWS == 0:
        is_proven = _refuse_a_cut_list(session, len(table.rows), codes, run.day, allowed=0)
    elif lacks_many or not _is_held_against_the_market(run):
        # A few may be missing: a security whose code has changed is in that day's list under its old code alone.
        is_proven = _refuse_a_cut_list(session, len(table.rows), codes, run.day, allowed=few)
    is_whole = (is_proven or not lacks_many) and not found.has_unreadable_codes
    run.store.universe.save(found.good, found.odd, run.run_id, is_whole=is_whole)
    log.info("Read Baostock's list of %d securities.", len(found.good))
    for row in found.odd[:20]:
        done = "Taken" if row.is_taken else "Set aside"
        log.warning("%s, of the list of securities: %s: %s.", done, row.code, row.rule)


def _refuse_a_cut_list(session: Session, rows: int, codes: Collection[str], day: date, *, allowed: int) -> bool:
    """Compare a list that may have been cut with the securities listed on ``day``.

    :returns: whether Baostock has the securities listed on ``day``.
    :raises BadReply: the list lacks more than ``allowed`` of them, or is empty.
    """
    listed = [code for code in session.listed_on(day).column("code") if not code.startswith("bj.")]
    lacking = [code for code in listed if code not in codes]
    if len(lacking) > allowed or not codes:
        where = ", a whole number of pages," if rows % PAGE_ROWS == 0 else ""
        raise BadReply(
            f"Baostock's list of securities stopped at {rows} rows{where} and lacks {len(lacking)} that "
            f"were listed on {day}; nothing of it was kept."
        )
    return bool(listed)
