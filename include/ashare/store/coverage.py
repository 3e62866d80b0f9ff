"""Facts of trade dates: what the tables hold, recorded by counting, and the states that follow from the facts."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from ashare.session_spans import FEW_DATES, since_of
from ashare.store.queries import queries
from ashare.store.rows import BarCount, Expectation, Fact, HeldRows
from ashare.texts import bounded

if TYPE_CHECKING:
    import psycopg

    from ashare.store.store import Store


class DateState(NamedTuple):
    """The state of a trade date, derived by the SQL function ``trade_date_state``.

    :ivar status: ``pending``, ``syncing``, ``success``, ``failed`` or ``skipped``.
    :ivar coverage: ``complete``, ``accepted``, ``partial``, ``missing``, ``failed``, ``running``, ``closed``,
        ``before`` or ``unpublished``.
    :ivar kinds: the kinds of securities that are recorded.
    :ivar complete_kinds: the kinds that the date is complete for.
    :ivar loaded: number of bars now.
    """

    trade_date: date
    status: str
    coverage: str
    kinds: Sequence[str]
    complete_kinds: Sequence[str]
    expected: int | None
    loaded: int | None
    missing: int | None
    rejected: int | None
    revised: int | None
    reason: str | None
    run_id: str | None
    started_at: datetime | None


@dataclass(frozen=True)
class Coverage:
    """The tables ``counted_partition`` and ``row_count``. Facts are written by counting, and by nothing else."""

    store: Store

    def count(self, expectation: Expectation, days: Sequence[date]) -> list[BarCount]:
        """Count what the tables hold of some days: one row per day and kind of the expectation."""
        values = {**expectation.parameters, "days": list(days), "first": min(days), "last": max(days)}
        return [BarCount(*row) for row in self.store.rows("coverage", "count", values)]

    def record(self, facts: Sequence[Fact], run_id: str | None, *, asked: Collection[str]) -> None:
        """Write the facts of a count.

        :param run_id: the run that counted; ``None``: rows have changed, and the facts stay those of an earlier run.
        :param asked: the datasets that the database is meant to have.
        """
        if not facts:
            return
        rows = [
            {
                **asdict(fact),
                "problem": fact.problem and bounded(fact.problem),
                "note": fact.note and bounded(fact.note),
                "is_asked": fact.dataset in asked,
            }
            for fact in facts
        ]
        columns: dict[str, Any] = {name: [row[name] for row in rows] for name in rows[0]}
        with self.store.transaction() as connection:
            connection.execute(queries("coverage")["record"], columns | {"run_id": run_id})
            connection.execute(queries("coverage")["fold"])

    def contradict(self, day: date, dataset: str, problem: str) -> None:
        """Record why a complete partition is not complete after all: rows beside it have changed."""
        values = {"day": day, "dataset": dataset, "problem": bounded(problem)}
        self.store.execute("coverage", "contradict", values)

    def doubt(self, day: date, datasets: Sequence[str]) -> None:
        """Mark partitions as in doubt: the next run of a later date reads them again."""
        self.store.execute("coverage", "doubt", {"day": day, "datasets": list(datasets)})

    def factors_are_in(self, day: date, today: date) -> bool:
        """Whether the date's adjust factors were read. An empty reply of the same day counts on that day only."""
        return bool(self.days_with_factors([day], today))

    def days_with_factors(self, days: Sequence[date], today: date) -> set[date]:
        """Those of some days whose adjust factors were read; see ``factors_are_in``."""
        values = {"days": list(days), "today": today}
        return {row[0] for row in self.store.rows("coverage", "days_with_factors", values)}

    def recorded_kinds(self, day: date) -> tuple[str, ...]:
        """The kinds of securities that a count of the day has recorded."""
        return tuple(row[0] for row in self.store.rows("coverage", "recorded_kinds", {"day": day}))

    def held(self, day: date, datasets: Sequence[str]) -> list[HeldRows]:
        """What the datasets hold of a day; without those that were never counted."""
        values = {"day": day, "datasets": list(datasets)}
        return [HeldRows(*row) for row in self.store.rows("coverage", "held", values)]

    def problems(self, day: date) -> dict[str, str]:
        """The recorded problem of each dataset of a day that has one."""
        return dict(self.store.rows("coverage", "problems", {"day": day}))

    def odd_securities(self) -> tuple[int, int]:
        """How many rows of the list of securities broke a rule: set aside, and taken all the same."""
        aside, taken = self.store.rows("coverage", "odd_securities")[0]
        return aside, taken

    def state(self, day: date, datasets: Sequence[str] | None = None) -> DateState | None:
        """The recorded state of a date; ``None`` if nothing is recorded.

        :param datasets: the datasets to judge by; ``None``: those that were asked for on the date.
        """
        return next(iter(self.states(day, day, datasets)), None)

    def states(
        self,
        start: date,
        end: date,
        datasets: Sequence[str] | None = None,
        *,
        since: date | None = None,
        newest: date | None = None,
        running: Sequence[str] | None = None,
        recorded_only: bool = True,
    ) -> list[DateState]:
        """The states of a range's trade dates, by date.

        :param since: since when the database is meant to be complete.
        :param newest: the newest date whose bars should be loaded.
        :param running: ids of the active Airflow runs; ``None``: not known, every work without an end goes on.
        """
        values = {
            "start": start,
            "end": end,
            "datasets": None if datasets is None else list(datasets),
            "since": since,
            "newest": newest,
            "running": None if running is None else list(running),
            "recorded_only": recorded_only,
        }
        return [DateState(*row) for row in self.store.rows("coverage", "dates", values)]

    def open_dates(
        self,
        datasets: Sequence[str],
        newest: date,
        most: int,
        *,
        since: date | None,
        running: Sequence[str],
    ) -> list[date]:
        """The sessions among the last ``most`` up to ``newest`` that are not complete, without those of ``running``.

        :param since: since when the database is meant to be complete; earlier dates count if they are recorded.
        :param running: ids of the runs whose dates are not open.
        """
        values = {
            "datasets": list(datasets),
            "newest": newest,
            "most": most,
            "since": since,
            "running": list(running),
        }
        return [row[0] for row in self.store.rows("coverage", "open_dates", values)] if most else []

    def live_runs(self, hours: int) -> list[str]:
        """Ids of the runs that have worked within the last hours, or that wait for a moment to come."""
        return [row[0] for row in self.store.rows("coverage", "live_runs", {"hours": hours})]

    def complete_since(self, datasets: Sequence[str], newest: date) -> date | None:
        """Since when the database is meant to be complete; see ``complete_since``."""
        with self.store.transaction() as connection:
            return complete_since(connection, datasets, newest)


FIRST_DAYS = timedelta(days=100)
"""Mostly since when a database is meant to be complete shows within so many days of its first date."""


def complete_since(connection: psycopg.Connection[Any], datasets: Sequence[str], newest: date) -> date | None:
    """Since when the database is meant to be complete, by its complete dates; see ``session_spans.since_of``.

    :param newest: the newest date whose bars should be loaded.
    """
    sql = queries("coverage")
    (first,) = connection.execute(sql["first_counted"]).fetchone() or (None,)
    if first is None:
        return None
    for last in (min(first + FIRST_DAYS, newest), newest):
        values = {"datasets": list(datasets), "last": last}
        complete = [row[0] for row in connection.execute(sql["complete_dates"], values)]
        if not complete:
            continue
        ends = {"start": complete[0], "end": last}
        since = since_of(complete, [row[0] for row in connection.execute(queries("calendar")["sessions"], ends)])
        # That many dates since then settle it, whatever comes later.
        if last == newest or (since and sum(day >= since for day in complete) >= FEW_DATES):
            return since
    return None
