"""Weekly lists as spans: a snapshot splits, ends or joins the spans of its table, in whatever order weeks arrive."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

from psycopg import sql

from ashare.datasets import WeeklyDataset
from ashare.store.database import take_lock
from ashare.store.queries import queries

if TYPE_CHECKING:
    from ashare.store.store import Store

ListRow = tuple[str | None, ...]
"""The key columns of a dataset, and its value, if it has one."""


@dataclass(frozen=True)
class WeeklyList:
    """The list of one dataset in one week.

    :ivar as_of: the Monday.
    :ivar update_date: ``updateDate`` as sent.
    :ivar rows: without duplicates of a key.
    """

    dataset: WeeklyDataset
    as_of: date
    update_date: date
    rows: Sequence[ListRow]


class WeekState(NamedTuple):
    """The state of one week of one weekly dataset, derived by the SQL function ``week_state``.

    :ivar state: ``complete``, ``partial``, ``missing``, ``failed``, ``running``, ``waiting``, ``unpublished``,
        ``before`` or ``none``.
    :ivar expected: rows of the list when it was loaded; ``None``: it was not.
    :ivar loaded: rows that cover the week now.
    """

    dataset: str
    week: date
    state: str
    expected: int | None
    loaded: int
    missing: int | None
    problem: str | None
    note: str | None
    error: str | None
    waits_for: str | None
    run_id: str | None
    counted_at: datetime | None

    @property
    def is_settled(self) -> bool:
        """Whether there is nothing to fetch: the week is complete, or Baostock has no list of it."""
        return self.state in ("complete", "none")

    @property
    def reason(self) -> str:
        """Why the week is not complete; empty if nothing is recorded."""
        return self.problem or self.error or (f"It waits: {self.waits_for}" if self.waits_for else "")


def lacking_lists(states: Sequence[WeekState]) -> dict[date, list[str]]:
    """The weeks that are not complete, by date, with the names of the datasets that are to be fetched.

    :param states: by week.
    """
    open_states = [state for state in states if not state.is_settled]
    return {
        week: [state.dataset for state in of_week] for week, of_week in groupby(open_states, lambda state: state.week)
    }


@dataclass(frozen=True)
class WeeklyLists:
    """The tables ``index_member``, ``industry``, ``security_name`` and ``snapshot``."""

    store: Store

    def save(self, lists: Sequence[WeeklyList], run_id: str | None) -> dict[str, int]:
        """Write some lists of a week in one transaction.

        :returns: the number of rows of each dataset that cover the week.
        """
        with self.store.transaction() as connection:
            take_lock(connection, "ashare weekly lists")  # the next snapshot must not change meanwhile
            rows = {}
            for each in lists:
                dataset = each.dataset
                values = {"dataset": dataset.name, "as_of": each.as_of}
                (following,) = connection.execute(queries("weekly_lists")["following"], values).fetchone() or (None,)
                columns = [_array(row[at] for row in each.rows) for at in range(len(dataset.columns))]
                values |= {
                    "following": following,
                    "update_date": each.update_date,
                    "run_id": run_id,
                    **dict(zip(dataset.columns, columns, strict=True)),
                }
                for name in ("end_spans", "begin_spans"):
                    connection.execute(_of(dataset, name), values)
                row = connection.execute(_of(dataset, "count"), values).fetchone()
                assert row is not None
                rows[dataset.name] = row[0]
            return rows

    def rows(self, dataset: WeeklyDataset, as_of: date) -> set[ListRow]:
        """The list of a dataset in a week, by its spans."""
        with self.store.transaction() as connection:
            return set(connection.execute(_of(dataset, "list"), {"as_of": as_of}).fetchall())

    def nearest(self, dataset: WeeklyDataset, as_of: date, days: int) -> date | None:
        """The Monday of the nearest other snapshot, at most some days away."""
        values = {"dataset": dataset.name, "as_of": as_of, "days": days}
        rows = self.store.rows("weekly_lists", "nearest", values)
        return rows[0][0] if rows else None

    def listed_stocks(self, day: date) -> set[str]:
        """The codes of the stocks that were listed on a day, by the list of securities."""
        return {row[0] for row in self.store.rows("weekly_lists", "listed_stocks", {"day": day})}

    def stocks_until(self, days: Sequence[date]) -> dict[date, int]:
        """How many stocks were ever listed up to each of some days."""
        return dict(self.store.rows("weekly_lists", "stocks_until", {"days": list(days)}))

    def states(
        self,
        datasets: Sequence[str],
        first: date,
        last: date,
        newest: date,
        *,
        running: Sequence[str] | None = None,
    ) -> list[WeekState]:
        """The states of a range's weeks, by Monday and dataset.

        :param newest: the newest Monday whose lists should be loaded.
        :param running: ids of the active Airflow runs; ``None``: not known, every work without an end goes on.
        """
        values = state_values(datasets, first, last, newest, running)
        return [WeekState(*row) for row in self.store.rows("weekly_lists", "states", values)]


def state_values(
    datasets: Sequence[str], first: date, last: date, newest: date, running: Sequence[str] | None
) -> dict[str, Any]:
    """The values of the statement ``states``; see ``WeeklyLists.states``."""
    return {
        "datasets": list(datasets),
        "first": first,
        "last": last,
        "newest": newest,
        "running": None if running is None else list(running),
    }


def _array(values: Iterable[str | None]) -> str:
    """The values as PostgreSQL's literal of a text array: psycopg adapts a list item by item, ten times slower."""

    def item(value: str | None) -> str:
        return "NULL" if value is None else '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'

    return "{" + ",".join(map(item, values)) + "}"


def _of(dataset: WeeklyDataset, name: str) -> sql.Composed:
    """A statement of ``queries/weekly_lists.sql`` for a dataset's table."""

    def listed(template: str, columns: Sequence[str], separator: str = ", ") -> sql.Composed:
        each = (sql.SQL(template).format(sql.Identifier(column), name=sql.Placeholder(column)) for column in columns)
        return sql.SQL(separator).join(each)

    def row(alias: str) -> sql.Composed:
        return sql.SQL("({})").format(listed(alias + ".{}", dataset.key))

    # A dataset without a value has the same one in each row.
    value = [dataset.value] if dataset.value else []
    given = listed("{name}::text[]", dataset.columns)
    if not value:
        given = sql.SQL("{}, NULL::text[]").format(given)
    begun = listed("l.{}", dataset.key)
    return sql.SQL(queries("weekly_lists")[name]).format(
        table=sql.Identifier("ashare", dataset.name),
        columns=listed("{}", dataset.columns),
        begun_columns=sql.SQL("{}, l.value").format(begun) if value else begun,
        key=listed("{}", dataset.key),
        key_of_l=row("l"),
        key_of_t=row("t"),
        key_of_before=row("before"),
        key_of_after=row("after"),
        value_of_t=listed("t.{}", value) if value else sql.SQL("NULL::text"),
        given=given,
    )
