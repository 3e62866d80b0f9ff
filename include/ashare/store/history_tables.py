"""What a history run reads and writes beside bars and batches: gaps, adjust factors, its trade dates."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, time
from typing import Any

from ashare.datasets import ADJUST_FACTORS, bars_of
from ashare.store.bar_merge import replace_rejected, save_factors
from ashare.store.cross_check import DAYS_MOVE
from ashare.store.queries import queries
from ashare.store.rows import RejectedRow
from ashare.store.store import Store


@dataclass(frozen=True)
class HistoryRange:
    """A run's range and its securities; ``codes`` is ``None`` for all securities of the kinds."""

    start: date
    end: date
    kinds: tuple[str, ...]
    indices: tuple[str, ...]
    codes: tuple[str, ...] | None
    run_id: str
    rejected_limit: int
    datasets: tuple[str, ...]

    @property
    def parameters(self) -> dict[str, Any]:
        """The values for SQL, each tuple as a list, which psycopg sends as an array."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in vars(self).items()}


@dataclass(frozen=True)
class SecurityGap:
    """A security's number of missing sessions, and whether its adjust factors are to be read."""

    code: str
    kind: str
    missing: int
    factors: bool = False


class HistoryTables:
    """The tables of a history run, over a store's connection."""

    def __init__(self, store: Store, span: HistoryRange) -> None:
        self.store, self._span = store, span

    def _all(self, name: str, **values: Any) -> list[tuple[Any, ...]]:
        return self.store.rows("history", name, {**self._span.parameters, **values})

    def _do(self, name: str, **values: Any) -> None:
        self.store.execute("history", name, {**self._span.parameters, **values})

    # ------------------------------------------------------------------ gaps

    def calendar_is_known(self, published: time) -> bool:
        """Whether the calendar has every day of the range, each session read after its own ``published`` time."""
        return bool(self._all("calendar_is_known", published=published)[0][0])

    def sessions(self) -> list[date]:
        """The range's sessions."""
        return self.store.calendar.sessions(self._span.start, self._span.end)

    def first_day(self) -> date | None:
        """The first day with a bar in the table; ``None`` for an empty table."""
        found: date | None = self._all("first_day")[0][0]
        return found

    def wanted(self, *, apart_from: Sequence[date] = ()) -> list[SecurityGap]:
        """Every security that was listed in the range, with its gap; stocks first.

        :param apart_from: sessions that do not count as missing.
        """
        without = self.wants_factors()
        return [
            SecurityGap(code, kind, missing if self._loads_bars_of(kind) else 0, code in without)
            for code, kind, missing in self._all("wanted", apart_from=list(apart_from))
        ]

    def wants_factors(self, codes: Sequence[str] | None = None) -> set[str]:
        """The stocks of the range (or of ``codes``) whose adjust factors are to be read."""
        if ADJUST_FACTORS.name not in self._span.datasets:
            return set()
        given = {} if codes is None else {"codes": list(codes)}
        return {row[0] for row in self._all("wants_factors", **given)}

    def gaps(self, codes: Sequence[str], kind: str) -> dict[str, list[tuple[date, date]]]:
        """The missing sessions of some securities, as (first, last) of each span, by code.

        A security that lacks none is left out; all of them, if no bars of the kind are loaded.
        """
        found: dict[str, list[tuple[date, date]]] = {}
        for code, first, last in self._all("gaps", of=list(codes)) if self._loads_bars_of(kind) else ():
            found.setdefault(code, []).append((first, last))
        return found

    def _loads_bars_of(self, kind: str) -> bool:
        return bars_of(kind).name in self._span.datasets

    # ------------------------------------------------------------------ plan

    def forget_plan(self) -> None:
        """Delete the record of the run's plan, if it has one."""
        self._do("forget")

    def planned_start(self) -> date | None:
        """The first day of the run's plan, if it has one."""
        rows = self._all("planned_start")
        return rows[0][0] if rows else None

    def plan(self, in_words: str) -> None:
        """Record the run's plan."""
        self._do("plan", plan=in_words)

    # ------------------------------------------------------------------ adjust factors

    def known_factors(self, code: str) -> set[date]:
        """The known ex-dates of a stock."""
        return {row[0] for row in self._all("known_factors", code=code)}

    def has_bars_since_listing(self, code: str) -> bool:
        """Whether a security's bars reach back to its day of listing."""
        return bool(self._all("has_bars_since_listing", code=code)[0][0])

    def implied_ex_dates(self, code: str) -> set[date]:
        """The sessions on which a stock's loaded prices moved as on an ex-date."""
        return {row[0] for row in self._all("implied_ex_dates", code=code, days_move=DAYS_MOVE)}

    def save_factors(
        self, code: str, factors: Sequence[tuple[str, date, str, str]], odd: Sequence[RejectedRow]
    ) -> None:
        """Replace all factors of a stock, and record that they were read.

        :param factors: (code, ex_date, fore, back); if empty, the known factors stay.
        :param odd: rows that broke a rule; the known factors of their ex-dates stay, too.
        """
        with self.store.transaction() as connection:
            if factors:
                named = [*(ex_date for _, ex_date, *_ in factors), *(row.day for row in odd if row.day)]
                connection.execute(queries("history")["drop_factors"], {"code": code, "ex_dates": named})
            save_factors(connection, factors)
            replace_rejected(connection, "factor", odd, self._span.run_id, code=code)
            connection.execute(queries("history")["factors_read"], {"code": code})

    # ------------------------------------------------------------------ trade dates

    def analyze(self) -> None:
        """Update the planner's statistics. PostgreSQL skips tables of another owner; autovacuum does them later."""
        self._do("analyze")

    def absences(self, most: int) -> list[tuple[date, int, int]]:
        """Each date with absences that this run recorded: the date, all its absences, its bars.

        :param most: more bars than this are not counted.
        """
        return [(row[0], row[1], row[2]) for row in self._all("absences", most=most)]

    def forget_absences(self, days: Collection[date]) -> None:
        """Delete the absences that this run recorded on some dates."""
        self._do("forget_absences", days=list(days))

    def record_factors(self, most: int) -> set[date]:
        """Record the adjust factors of a date as read, if at most ``most`` of its listed stocks lack theirs.

        :returns: the dates whose factors were not complete before.
        """
        return {row[0] for row in self._all("record_factors", most=most)}

    def closed_days(self) -> list[date]:
        """Weekdays without a session that are not recorded as ``skipped``."""
        return [row[0] for row in self._all("closed_days")]

    def unsettled(self, *, recorded_only: bool = False) -> list[date]:
        """Sessions that are not complete for the run's kinds.

        :param recorded_only: only sessions that are recorded.
        """
        return [row[0] for row in self._all("unsettled", recorded_only=recorded_only)]

    def miscounted(self) -> set[date]:
        """Complete dates whose rows have changed since the count."""
        return {row[0] for row in self._all("miscounted")}

    def end(self) -> None:
        """Record that the run has ended."""
        self._do("end")
