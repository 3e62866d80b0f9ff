"""The table ``work``: what runs are doing. A row goes with its run's success, or when another run takes over."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING

from ashare.texts import bounded

if TYPE_CHECKING:
    from ashare.store.store import Store


@dataclass(frozen=True)
class Scope:
    """What one run works on.

    :ivar datasets: the datasets of the run.
    :ivar asked: those of them that the database is meant to have (``ASHARE_KINDS``).
    """

    day: date
    datasets: Sequence[str]
    asked: Collection[str]
    run_id: str

    def parameters(self, only: Collection[str] | None) -> dict[str, object]:
        """The values for SQL; ``only``: a part of the datasets."""
        datasets = [name for name in self.datasets if only is None or name in only]
        return {"day": self.day, "datasets": datasets, "asked": list(self.asked), "run_id": self.run_id}


@dataclass(frozen=True)
class Work:
    """The work of runs on trade dates."""

    store: Store

    def start(self, scope: Scope) -> None:
        """Record that work starts. Rows that earlier runs left behind are deleted."""
        self.store.execute("work", "start", scope.parameters(None))

    def fail(self, scope: Scope, error: str) -> None:
        """Record why the work failed."""
        values = {**scope.parameters(None), "waits_for": None, "until": None, "error": bounded(error)}
        self.store.execute("work", "stop", values)

    def wait(
        self, scope: Scope, waits_for: str, until: datetime | None, *, only: Collection[str] | None = None
    ) -> None:
        """Record what the work waits for, and until when, if that is known."""
        values = {**scope.parameters(only), "waits_for": bounded(waits_for), "until": until, "error": None}
        self.store.execute("work", "stop", values)

    def done(self, days: Sequence[date], datasets: Sequence[str]) -> None:
        """Delete the work on partitions that are complete or closed, of whichever run."""
        self.store.execute("work", "done", {"days": list(days), "datasets": list(datasets)})

    def forget_failures(self, day: date, datasets: Sequence[str]) -> None:
        """Delete what is known of failed work: the partitions were counted since, and the facts say more."""
        self.store.execute("work", "forget_failures", {"day": day, "datasets": list(datasets)})

    def give_up(self, run_id: str) -> None:
        """Forget the work of a run that a person has ended: nothing of it goes on, and nothing of it has failed."""
        self.store.execute("work", "give_up", {"run_id": run_id})

    def errors(self, day: date, datasets: Sequence[str]) -> list[str]:
        """Why steps failed on the date since the last run began."""
        return [row[0] for row in self.store.rows("work", "errors", {"day": day, "datasets": list(datasets)})]

    def count_poll(self, day: date, waits_for: str) -> int:
        """Count one more poll for data of the date that is not published yet; returns the number of polls so far.

        :param waits_for: the data, in words.
        """
        polls: int = self.store.rows("work", "count_poll", {"day": day, "waits_for": waits_for})[0][0]
        return polls
