"""The table ``alert``: what people were told, and what is still to be sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from ashare.store.store import Store


class DateState(NamedTuple):
    """What is known of a date; each is ``None`` where nothing is recorded."""

    status: str | None
    reason: str | None
    started_at: datetime | None
    is_trading_day: bool | None


class HistoryFailures(NamedTuple):
    """Why a run of ``ashare_history`` is not complete: errors of its batches, and how many dates have failed."""

    first_date: date
    last_date: date
    errors: Sequence[str] | None
    failed_dates: int


class EndMessage(NamedTuple):
    """A message that a trouble is over."""

    number: int
    end_title: str
    title: str
    raised_at: datetime


class OutboxState(NamedTuple):
    """What the doctor shows: messages that nobody has received, the last error, and the last alert."""

    unsent: int
    error: str | None
    title: str | None
    raised_at: datetime | None
    resolved_at: datetime | None


@dataclass(frozen=True)
class AlertOutbox:
    """Alerts as rows: a row is raised, sent, resolved, and its end is sent."""

    store: Store

    def date_state(self, day: date) -> DateState:
        """What is known of a date."""
        return DateState(*self.store.rows("alerts", "date_state", {"day": day})[0])

    def history_failures(self, run_id: str) -> HistoryFailures | None:
        """Why a history run is not complete; ``None`` when the run has no plan."""
        rows = self.store.rows("alerts", "history_failures", {"run_id": run_id})
        return HistoryFailures(*rows[0]) if rows else None

    def has_open(self, day: date) -> bool:
        """Whether an alert of the date is not resolved yet."""
        return bool(self.store.rows("alerts", "has_open", {"day": day})[0][0])

    def is_busy(self) -> bool:
        """Whether an alert is not resolved yet, or the message of its end not sent."""
        return bool(self.store.rows("alerts", "is_busy")[0][0])

    def add(self, alert: Mapping[str, Any]) -> bool:
        """Add an alert, by the table's columns; whether it is new: not while one of the same subject is open."""
        return bool(self.store.rows("alerts", "add", alert))

    def resolve(self, run_id: str, history_until: date) -> None:
        """Resolve what is over: the run's own alert, those of complete dates, those of earlier histories."""
        self.store.execute("alerts", "resolve", {"run_id": run_id, "history_until": history_until})

    def next_unsent(self, tried: Sequence[int]) -> tuple[int, str, str] | None:
        """Number, title and text of the next message to be sent; locked until the caller's transaction ends."""
        rows = self.store.rows("alerts", "next_unsent", {"tried": list(tried)})
        return (rows[0][0], rows[0][1], rows[0][2]) if rows else None

    def record_sent(self, number: int, error: str | None, *, is_delivered: bool) -> None:
        """Record whether anybody has received a message, and who has not."""
        self.store.execute("alerts", "record_sent", {"id": number, "is_delivered": is_delivered, "error": error})

    def unsent_ends(self) -> list[EndMessage]:
        """Messages of ends that are to be sent; locked until the caller's transaction ends."""
        return [EndMessage(*row) for row in self.store.rows("alerts", "unsent_ends")]

    def record_end_sent(self, numbers: Sequence[int], error: str | None, *, is_delivered: bool) -> None:
        """Record whether anybody has received the message that these are over, and who has not."""
        values = {"ids": list(numbers), "is_delivered": is_delivered, "error": error}
        self.store.execute("alerts", "record_end_sent", values)

    def clear_errors(self) -> None:
        """Forget which addresses refused messages that others received."""
        self.store.execute("alerts", "clear_errors", {})

    def state(self) -> OutboxState:
        """How the alerts stand."""
        return OutboxState(*self.store.rows("alerts", "state")[0])
