"""The table ``alert``: a record of the sent alerts, and the outbox of the unsent ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from ashare.store.store import Store


class HistoryFailures(NamedTuple):
    """Why a run of ``ashare_history`` is not complete: errors of its batches, and the number of failed dates."""

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
    """The outbox for the doctor: the number of unsent messages, the last error (7 days), and the last alert."""

    unsent: int
    error: str | None
    title: str | None
    raised_at: datetime | None
    resolved_at: datetime | None


@dataclass(frozen=True)
class AlertOutbox:
    """Alerts as rows. The life cycle of a row: raised, sent, resolved, end message sent."""

    store: Store

    def history_failures(self, run_id: str) -> HistoryFailures | None:
        """Why a history run is not complete; ``None`` when the run has no plan."""
        rows = self.store.rows("alerts", "history_failures", {"run_id": run_id})
        return HistoryFailures(*rows[0]) if rows else None

    def has_open(self, day: date) -> bool:
        """Whether the date has an unresolved alert."""
        return bool(self.store.rows("alerts", "has_open", {"day": day})[0][0])

    def days_without_alert(self, days: Sequence[date]) -> list[date]:
        """Those of some dates that no unresolved alert is about."""
        return [row[0] for row in self.store.rows("alerts", "days_without_alert", {"days": list(days)})]

    def is_busy(self) -> bool:
        """Whether any alert is unresolved, or was sent and its end message was not."""
        return bool(self.store.rows("alerts", "is_busy")[0][0])

    def add(self, alert: Mapping[str, Any]) -> bool:
        """Insert an alert, unless an unresolved alert has the same subject.

        :param alert: value by column of the table.
        :returns: whether the alert was inserted.
        """
        return bool(self.store.rows("alerts", "add", alert))

    def resolve(self, run_id: str, history_until: date) -> None:
        """Resolve the alerts that are over.

        These are: the run's own alert; alerts of dates that are complete (or closed) now; alerts of history runs
        whose last day is unknown, or not after ``history_until``.
        """
        self.store.execute("alerts", "resolve", {"run_id": run_id, "history_until": history_until})

    def next_unsent(self, tried: Sequence[int]) -> tuple[int, str, str] | None:
        """Number, title and text of the next unsent alert that is not in ``tried``; ``None`` without one.

        The row stays locked until the caller's transaction ends. Rows that another session has locked are skipped.
        """
        rows = self.store.rows("alerts", "next_unsent", {"tried": list(tried)})
        return (rows[0][0], rows[0][1], rows[0][2]) if rows else None

    def record_sent(self, number: int, error: str | None, *, is_delivered: bool) -> None:
        """Record whether any address received an alert; ``error`` names the addresses that did not."""
        self.store.execute("alerts", "record_sent", {"id": number, "is_delivered": is_delivered, "error": error})

    def unsent_ends(self) -> list[EndMessage]:
        """The unsent end messages; their rows stay locked until the caller's transaction ends."""
        return [EndMessage(*row) for row in self.store.rows("alerts", "unsent_ends")]

    def record_end_sent(self, numbers: Sequence[int], error: str | None, *, is_delivered: bool) -> None:
        """Record whether any address received the end message of alerts; ``error`` names those that did not."""
        values = {"ids": list(numbers), "is_delivered": is_delivered, "error": error}
        self.store.execute("alerts", "record_end_sent", values)

    def clear_errors(self) -> None:
        """Clear the delivery errors of sent alerts: some addresses refused them, others received them."""
        self.store.execute("alerts", "clear_errors", {})

    def state(self) -> OutboxState:
        """The state of the outbox."""
        return OutboxState(*self.store.rows("alerts", "state")[0])
