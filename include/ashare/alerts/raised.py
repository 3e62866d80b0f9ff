"""Raises and resolves alerts. The table ``alert`` records them and is the outbox."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, time
from typing import Any

from ashare.alerts.delivery import Delivery
from ashare.dates import SHANGHAI, clock
from ashare.errors import AshareError
from ashare.store import Store
from ashare.store.coverage import DateState
from ashare.texts import joined

log = logging.getLogger(__name__)

NAME = "A-share sync: "
"""How each title begins."""
NAMED = 3
"""Maximum number of causes that a message lists. More ends of troubles than this are combined in one message."""


ALIKE = ("ashare_export",)
"""DAGs of which each run does what a failed one has left: they have one alert at a time, and any good run ends it."""


@dataclass(frozen=True)
class Failure:
    """A run that failed.

    :ivar trade_date: trade date of a run of ``ashare_daily``; ``None`` for a run of ``ashare_history``, or if the
        run's date is invalid.
    :ivar backfill: number, first day and last day of the backfill that the run is part of.
    :ivar note: the reason, for a failure without a recorded reason.
    :ivar verifies: the run was to read a complete date again.
    """

    run_id: str
    link: str
    dag_id: str = "ashare_daily"
    trade_date: date | None = None
    backfill: tuple[int, date, date] | None = None
    note: str = ""
    verifies: bool = False


@dataclass(frozen=True)
class _Alert:
    """A row of the table ``alert``; the comments of the table's columns describe the fields."""

    subject: str
    about: str
    run_id: str
    title: str
    text: str
    end_title: str
    trade_date: date | None = None
    first_date: date | None = None
    last_date: date | None = None


class Alerts:
    """Sends one message per trouble, and one when it is over. A message that no service took is retried later.

    :param delivery: creates the ``Delivery``; called only to send a message.
    """

    def __init__(self, store: Store, delivery: Callable[[], Delivery]) -> None:
        self._store, self._outbox = store, store.alerts
        self._delivery = delivery

    def failed(self, failure: Failure) -> bool:
        """Raise an alert for a failed run, unless one of the same subject (date, backfill or run) is open.

        No alert is raised for a complete date that could not be read again: a person has started that, and sees it.

        :returns: whether the alert is new; without the database, whether a service took the message.
        """
        try:
            self._store.migrate()
            alert = self._of(failure)
            if failure.verifies and alert.about == "run":
                log.warning("%s: %s No alert: the date is complete.", alert.title, alert.text.partition("\n")[0])
                self._send_unsent()
                return False
            return self._raise(alert)
        except AshareError as error:
            return self._say_blindly(self._of(failure, str(error)))

    def late(self, day: date, deadline: time, run_id: str, link: str) -> bool:
        """Raise an alert if a date is not complete at the deadline; none if the day is closed or has an open alert.

        :returns: whether the alert is new; without the database, whether a service took the message.
        """
        try:
            self._store.migrate()
            state, known = self._store.coverage.state(day), self._store.calendar.session(day)
            is_closed = known is not None and not known[0]
            if is_closed or _is_well(state) or self._outbox.has_open(day):
                self._send_unsent()
                return False
            return self._raise(_late(day, deadline, run_id, link, _progress(state)))
        except AshareError as error:
            return self._say_blindly(_late(day, deadline, run_id, link, str(error)))

    def holes(self, states: Sequence[DateState], run_id: str, link: str) -> bool:
        """Raise one alert for earlier dates that are not complete, without those that an open alert is about.

        :param states: the states of these dates, by date.
        :returns: whether an alert was raised.
        """
        unknown = set(self._outbox.days_without_alert([state.trade_date for state in states]))
        new = [state for state in states if state.trade_date in unknown]
        return bool(new) and self._raise(_holes(new, run_id, link))

    def recovered(self, run_id: str, history_until: date | None = None) -> None:
        """After a successful run, send the messages of ended troubles: the run's own, and those of complete dates.

        :param history_until: last day of a run of ``ashare_history``: also ends the troubles of earlier histories.
        """
        if not self._outbox.is_busy():
            return
        self._outbox.resolve(run_id, history_until or date.min)
        self._send_unsent()

    def _of(self, failure: Failure, reason: str | None = None) -> _Alert:
        """The alert for a failure.

        :param reason: the reason, if the database cannot be asked; ``None``: read the reason from the database.
        """
        if failure.trade_date is None:
            return self._of_run(failure, reason)
        day, is_well = failure.trade_date, False
        if reason is None:
            state = self._store.coverage.state(day)
            is_well = _is_well(state)
            reason = (None if is_well or state is None else state.reason) or failure.note
        text = f"{reason}\n\n{failure.link}"
        if is_well:  # the date was complete before the run, and still is
            what = f"{NAME}a run of {day}"
            return _Alert(
                f"run {failure.run_id}", "run", failure.run_id, f"{what} failed", text, f"{what} has ended well"
            )
        if failure.backfill:
            number, first, last = failure.backfill
            what = f"{NAME}the backfill {first} to {last}"
            text = f"{day}: {reason}\nOther dates of this backfill are not reported one by one.\n\n{failure.link}"
            titles = (f"{what} has dates that are not complete", text, f"{what} is complete")
            return _Alert(f"backfill {number}", "date", failure.run_id, *titles, day, first, last)
        titles = (f"{NAME}{day} is not complete", text, f"{NAME}{day} is complete")
        return _Alert(f"{day} failed", "date", failure.run_id, *titles, day, day, day)

    def _of_run(self, failure: Failure, reason: str | None) -> _Alert:
        what, first, last = f"{NAME}a run of {failure.dag_id}", None, None
        about = "history" if failure.dag_id == "ashare_history" else "run"
        if reason is None and about == "history" and (found := self._outbox.history_failures(failure.run_id)):
            first, last, errors, failed = found
            parts = [*(errors or ())[:NAMED], *([f"{failed} trade dates are not complete"] if failed else [])]
            reason = joined([part.rstrip(".") for part in parts]) + "." if parts else None
            what = f"{NAME}the history {first} to {last}"
        text = f"{reason or failure.note}\n\n{failure.link}"
        if failure.dag_id in ALIKE:
            subject = run_id = failure.dag_id
        else:
            subject, run_id = f"run {failure.run_id}", failure.run_id
        return _Alert(subject, about, run_id, f"{what} failed", text, f"{what} has ended well", None, first, last)

    def _raise(self, alert: _Alert) -> bool:
        is_new = self._outbox.add(asdict(alert))
        self._send_unsent()
        return is_new

    def _say_blindly(self, alert: _Alert) -> bool:
        """Send an alert without the outbox. A duplicate is acceptable: the database is in trouble."""
        return bool(self._send(alert.title, alert.text, "failure")[0])

    def _send_unsent(self) -> None:
        tried: list[int] = []
        while True:
            with self._store.transaction():  # the transaction locks the message's row while it is sent
                message = self._outbox.next_unsent(tried)
                if message is None:
                    break
                number, title, text = message
                tried.append(number)
                is_delivered, error = self._send(title, text, "failure")
                self._outbox.record_sent(number, error, is_delivered=is_delivered)
        self._send_ends()

    def _send_ends(self) -> None:
        with self._store.transaction():
            over = self._outbox.unsent_ends()
            # A date may have two alerts, late and failed: one message ends both.
            ends = {message.end_title: message for message in over}
            if len(ends) > NAMED:
                listed = joined([end.removeprefix(NAME) for end in ends], "\n")
                messages = {f"{NAME}{len(ends)} troubles are over": listed}
            else:
                messages = {end: _reported(message.title, message.raised_at) for end, message in ends.items()}
            for end, text in messages.items():
                numbers = [message.number for message in over if message.end_title == end or len(ends) > NAMED]
                is_delivered, error = self._send(end, text, "success")
                self._outbox.record_end_sent(numbers, error, is_delivered=is_delivered)

    def _send(self, title: str, text: str, kind: Any) -> tuple[bool, str | None]:
        """Send a message.

        :returns: whether a service took the message, and an error that names those that did not, else ``None``.
        """
        took, refused = self._delivery().send(title, text, kind)
        if took:
            log.info("Said by %s: %s", ", ".join(took), title)
        if not refused:
            return bool(took), None
        log.error("Not delivered to %s: %s", ", ".join(refused), title)
        return bool(took), f"not delivered to {', '.join(refused)}: {title}"


def _late(day: date, deadline: time, run_id: str, link: str, what: str) -> _Alert:
    text = f"At {deadline:%H:%M}, Beijing time: {what}\n\n{link}"
    titles = (f"{NAME}{day} is still not complete", text, f"{NAME}{day} is complete")
    return _Alert(f"{day} is late", "date", run_id, *titles, day, day, day)


def _holes(states: Sequence[DateState], run_id: str, link: str) -> _Alert:
    first, last = states[0].trade_date, states[-1].trade_date
    lines = [f"{state.trade_date}: {state.reason or 'nothing is recorded of it.'}" for state in states[:NAMED]]
    if len(states) > NAMED:
        lines.append(f"... and {len(states) - NAMED} more")
    lines.append(f"Each run of a newest trade date tries again.\n\n{link}")
    title, end = f"{NAME}{first} is still not complete", f"{NAME}{first} is complete"
    if first != last:
        dates = f"{NAME}{len(states)} trade dates from {first} to {last}"
        title, end = f"{dates} are still not complete", f"{dates} are complete"
    return _Alert(f"holes to {last}", "date", run_id, title, "\n".join(lines), end, last, first, last)


def _is_well(state: DateState | None) -> bool:
    return state is not None and state.status in ("success", "skipped")


def _progress(state: DateState | None) -> str:
    if state is None:
        return "nothing is recorded of it."
    is_syncing = state.status == "syncing"
    doing = "it is being worked on" if is_syncing else "it failed"
    if state.started_at:
        at = f"{state.started_at.astimezone(SHANGHAI):%H:%M}"
        doing = f"it is being worked on since {at}" if is_syncing else f"it failed since {at}"
    return f"{doing}: {state.reason}" if state.reason else f"{doing}."


def _reported(title: str, raised_at: datetime) -> str:
    what = title.removeprefix(NAME)
    return f'"{what}" was reported on {clock(raised_at)}, Beijing time.'
