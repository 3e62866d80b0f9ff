"""The first step: is the trade date a session, and are its bars out?"""

from __future__ import annotations

from typing import NamedTuple

from ashare.datasets import BARS_APPEAR, published_at
from ashare.errors import NotPublishedYet, TerminalError
from ashare.sync.publication import SAMPLE, check_is_out
from ashare.sync.reference import (
    REFERENCE_WORK,
    UNIVERSE_PAGES,
    calendar_read_on,
    closed_reason,
    is_session,
    refresh_calendar,
    refresh_universe,
    universe_is_known,
)
from ashare.sync.run import Run


class TradingDayAnswer(NamedTuple):
    """Whether the trade date is a session, and a sentence for the log."""

    is_session: bool
    reason: str


def wait_for_trading_day(run: Run) -> TradingDayAnswer:
    """Answer from the stored calendar, refreshed if it is missing or stale; for today, request the bars.

    :raises NotPublishedYet: the calendar or today's bars are not out. It is not recorded: no work has begun.
    :raises TerminalError: the calendar does not reach the date, or it is 23:00 and nothing is published.
    """
    with run.end_recorded():
        try:
            return _answer(run)
        except NotPublishedYet as not_out:
            early = not_out
    raise early


def _answer(run: Run) -> TradingDayAnswer:
    if not is_session(run):
        return TradingDayAnswer(False, closed_reason(run.day))
    if run.day < run.today or _is_complete(run):
        return TradingDayAnswer(True, f"{run.day} is a trading day, and its bars are out.")
    if run.is_today_before(BARS_APPEAR):
        reason = f"{run.day}: bars appear from {BARS_APPEAR:%H:%M} on, Beijing time."
        raise NotPublishedYet(reason, published_at(run.day))
    return _ask_for_today(run)


def _is_complete(run: Run) -> bool:
    state = run.store.coverage.state(run.day, run.datasets)
    return state is not None and state.status == "success" and not run.store.universe.remaining(run.expectation)


def _ask_for_today(run: Run) -> TradingDayAnswer:
    """Request today's bars. If none are out, refresh the calendar: the exchange may have closed at short notice."""
    pages = 0 if universe_is_known(run) else UNIVERSE_PAGES
    most = pages + SAMPLE + 1  # 1 for the calendar
    with run.store.mutex(REFERENCE_WORK, run.settings.lock_timeout), run.session(most) as session:
        if not universe_is_known(run):
            refresh_universe(run, session)
        try:
            check_is_out(run, session)
        except (NotPublishedYet, TerminalError):
            if calendar_read_on(run) != run.day:
                refresh_calendar(run, session)
            if is_session(run):
                raise
            return TradingDayAnswer(False, closed_reason(run.day))
    return TradingDayAnswer(True, f"{run.day}: Baostock has published the bars.")
