"""What is to be said, and what was said already."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any

from include.ashare.alerts.delivery import Delivery
from include.ashare.dates import SHANGHAI
from include.ashare.errors import AshareError, StoreUnavailable
from include.ashare.store import Store
from include.ashare.store.queries import queries

log = logging.getLogger(__name__)

NAME = "A-share sync"
WAIT_SECONDS = 60.0
NAMED = 3
Range = tuple[date, date]


@dataclass(frozen=True)
class Failure:
    """A run that failed.

    :ivar trade_date: of a run of ``ashare_daily``; ``None`` for one of ``ashare_history``.
    :ivar backfill: the number and the first and last day of the backfill that the run is part of.
    :ivar note: why, where nothing is recorded.
    """

    run_id: str
    link: str
    trade_date: date | None = None
    backfill: tuple[int, date, date] | None = None
    note: str = ""


@dataclass(frozen=True)
class _Alert:
    subject: str
    trade_date: date | None
    first_date: date | None
    last_date: date | None
    title: str
    text: str


class Alerts:
    """Says what is wrong once, and once that it is over.

    :param delivery: makes the way out, when there is something to say.
    """

    def __init__(self, store: Store, delivery: Callable[[], Delivery]) -> None:
        self._store = store
        self._delivery = delivery
        self._sql = queries("alerts")

    def failed(self, failure: Failure) -> bool:
        """Say that a run failed; whether it was said: not when it, or its backfill, was spoken of before."""
        self._make_table()
        return self._raise(self._of(failure))

    def late(self, day: date, deadline: time, link: str) -> bool:
        """Say that a date is not complete at the deadline; not when it is, or was spoken of before."""
        self._make_table()
        state = self._state(day)
        if (state and state[0] in ("success", "skipped")) or self._row("is_open", day=day)[0]:
            return False
        text = f"At {deadline:%H:%M}, Beijing time: {_progress(state)}"
        title = f"{NAME}: {day} is still not complete"
        return self._raise(_Alert(f"{day} is late", day, day, day, title, f"{text}\n\n{link}"))

    def recovered(self, complete: Range | None = None) -> int:
        """Say what is over: what was spoken of and is complete by now; how much it was.

        :param complete: the days of a history that has ended well.
        """
        if not self._row("any_open")[0]:
            return 0
        first, last = complete or (date.max, date.min)
        with self._store.transaction() as connection:
            over = connection.execute(self._sql["resolve"], {"first_date": first, "last_date": last}).fetchall()
        said: set[tuple[Any, ...]] = set()
        for number, subject, first_date, last_date, raised_at, was_sent in over:
            # A date may have been late and then failed: one message. What nobody heard of needs no end.
            if was_sent and (first_date, last_date) not in said:
                said.add((first_date, last_date))
                self._tell_end(number, subject, first_date, last_date, raised_at)
        return len(said)

    def _tell_end(self, number: int, subject: str, first: date, last: date, raised_at: datetime) -> None:
        what = f"{first}" if first == last else f"{first} to {last}"
        of = f" ({subject})" if subject.startswith("backfill") else ""
        text = f"Reported as not complete on {raised_at.astimezone(SHANGHAI):%Y-%m-%d %H:%M}, Beijing time{of}."
        self._send(number, f"{NAME}: {what} is complete", text, "success")

    def _of(self, failure: Failure) -> _Alert:
        if failure.trade_date is None:
            return self._of_history(failure)
        try:
            state = self._state(failure.trade_date)
        except StoreUnavailable as error:
            state = ("failed", str(error))
        is_well = state is not None and state[0] == "success"
        reason = (state[1] if state and not is_well else None) or failure.note
        day, link = failure.trade_date, f"\n\n{failure.link}"
        if failure.backfill:
            number, first, last = failure.backfill
            title = f"{NAME}: the backfill {first} to {last} has dates that are not complete"
            text = f"{day}: {reason}\nOther dates of this backfill are not reported one by one.{link}"
            return _Alert(f"backfill {number}", day, first, last, title, text)
        title = f"{NAME}: a run of {day} failed" if is_well else f"{NAME}: {day} is not complete"
        return _Alert(f"{day} failed", day, day, day, title, f"{reason}{link}")

    def _of_history(self, failure: Failure) -> _Alert:
        note, found = failure.note, None
        try:
            with self._store.transaction() as connection:
                found = connection.execute(self._sql["history"], {"run_id": failure.run_id}).fetchone()
        except StoreUnavailable as error:
            note = str(error)
        if found is None:
            text = f"{note}\n\n{failure.link}"
            return _Alert(f"history {failure.run_id}", None, None, None, f"{NAME}: a history run failed", text)
        first, last, errors, red = found
        parts = [*(errors or ())[:NAMED], *([f"{red} trade dates are not complete"] if red else [])]
        text = "; ".join(part.rstrip(".") for part in parts) or failure.note.rstrip(".")
        title = f"{NAME}: the history {first} to {last} is not complete"
        return _Alert(f"history {first} to {last}", None, first, last, title, f"{text}.\n\n{failure.link}")

    def _raise(self, alert: _Alert) -> bool:
        try:
            with self._store.alone(f"the alert {alert.subject}", WAIT_SECONDS):
                with self._store.transaction() as connection:
                    row = connection.execute(self._sql["raise"], vars(alert)).fetchone()
                if row is not None:
                    self._send(row[0], alert.title, alert.text, "failure")
                return row is not None
        except StoreUnavailable:
            # Nobody knows what was said before; that the database is away is worth saying twice.
            took, refused = self._delivery().send(alert.title, alert.text, "failure")
            _log(alert.title, took, refused)
            return bool(took)

    def _send(self, number: int, title: str, text: str, kind: Any) -> None:
        took, refused = self._delivery().send(title, text, kind)
        _log(title, took, refused)
        error = f"not delivered to {', '.join(refused)}: {title}" if refused else None
        with self._store.transaction() as connection:
            connection.execute(self._sql["told"], {"id": number, "reached": bool(took), "error": error})

    def _make_table(self) -> None:
        with suppress(AshareError):  # that the database is away is what is said then
            self._store.migrate()

    def _state(self, day: date) -> tuple[Any, ...] | None:
        with self._store.transaction() as connection:
            return connection.execute(self._sql["state"], {"day": day}).fetchone()

    def _row(self, query: str, **values: object) -> tuple[Any, ...]:
        with self._store.transaction() as connection:
            row: tuple[Any, ...] | None = connection.execute(self._sql[query], values).fetchone()
        assert row is not None
        return row


def _progress(state: tuple[Any, ...] | None) -> str:
    if state is None:
        return "nothing is recorded of it."
    status, reason, _, _, started_at = state
    since = f" since {started_at.astimezone(SHANGHAI):%H:%M}" if started_at else ""
    doing = "it is being worked on" if status == "syncing" else "it failed"
    return f"{doing}{since}{f': {reason}' if reason else '.'}"


def _log(title: str, took: list[str], refused: list[str]) -> None:
    if took:
        log.info("Said by %s: %s", ", ".join(took), title)
    if refused:
        log.error("Not delivered to %s: %s", ", ".join(refused), title)
