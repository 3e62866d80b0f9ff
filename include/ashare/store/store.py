"""What is kept in the schema ``ashare``: one method for each thing the steps read or write."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import date, datetime
from typing import IO, TYPE_CHECKING, Any

from ashare.errors import InvalidInput, SourceBusy, StoreBusy, StoreUnavailable
from ashare.store import cross_check
from ashare.store.accepted import ROWS_CHANGED, AcceptedDates
from ashare.store.cross_check import Contradiction, CrossCheck, Tolerance
from ashare.store.database import (
    LOCK_SECONDS,
    LockHeld,
    holders,
    limit_wait,
    lock_merging,
    one_line,
    reported,
    set_up,
    take_lock,
    told,
)
from ashare.store.gate import SourceLimit
from ashare.store.migrate import applied, migrate
from ashare.store.queries import queries
from ashare.store.sent import make_texts_storable
from ashare.texts import bounded

if TYPE_CHECKING:
    import psycopg

FACTOR_BATCH = 0

BEFORE_THE_FIRST_BAR = "before its first bar at the source"


@dataclass(frozen=True)
class Expectation:
    """Which securities a trade date should have bars of.

    :ivar rejected_limit: up to so many rejected rows a day count as explained; beyond, all are asked for again.
    :ivar today: what was found absent on the trade date itself explains only as long as it is that day.
    """

    day: date
    today: date
    kinds: tuple[str, ...]
    indices: tuple[str, ...]
    rejected_limit: int

    @property
    def parameters(self) -> dict[str, Any]:
        return {
            "day": self.day,
            "today": self.today,
            "kinds": list(self.kinds),
            "indices": list(self.indices),
            "rejected_limit": self.rejected_limit,
        }


@dataclass(frozen=True)
class Batch:
    """One piece of a trade date's work; ``codes`` is ``None`` for the whole market."""

    kind: str
    by: str
    codes: list[str] | None
    label: str
    batch_no: int = -1
    again: list[date] | None = None
    """Earlier trade dates to be read again for corrections, instead of the run's own."""


@dataclass(frozen=True)
class Security:
    """A row of the universe."""

    code: str
    name: str | None
    kind: str
    ipo_date: date | None
    out_date: date | None


@dataclass(frozen=True)
class DateCount:
    """What the tables hold for a trade date."""

    expected: int
    loaded: int
    suspended: int
    absent: int
    rejected: int
    revised: int
    requests: int
    blanked: int = 0
    rejected_factors: int = 0
    rejected_securities: int = 0
    taken_securities: int = 0


@dataclass(frozen=True)
class Reject:
    """A row that broke a rule; ``raw`` is the row as sent, by column name."""

    trade_date: date
    code: str
    rule: str
    raw: dict[str, str]


@dataclass(frozen=True)
class Blanked:
    """Valuations of a bar that are no numbers, as sent, by column name; they are NULL in the table."""

    trade_date: date
    code: str
    raw: dict[str, str]


@dataclass(frozen=True)
class RejectedRow:
    """A row of a list or of factors that broke a rule; ``is_taken``: it is loaded all the same, as the rule says."""

    code: str
    rule: str
    raw: dict[str, str]
    day: date | None = None
    is_taken: bool = False


@dataclass(frozen=True)
class AbsentRange:
    """Days before an index's first bar."""

    code: str
    first: date
    last: date


@dataclass(frozen=True)
class Absence:
    """Codes that the per-security call answered without a bar of the trade date."""

    codes: Sequence[str]
    reason: str


@dataclass(frozen=True)
class Harvest:
    """What a batch brought: bars as text for COPY in ``daily_bar``'s order, and what is known of the others."""

    bars: IO[str]
    rows: int
    rejects: Sequence[Reject] = ()
    blanked: Sequence[Blanked] = ()
    absence: Absence | None = None
    absent_ranges: Sequence[AbsentRange] = ()
    requests: int = 0
    follow_ups: Sequence[Batch] = field(default=())
    """Work that the batch found and did by itself, to be recorded next to it."""


@dataclass(frozen=True)
class Again:
    """What a date brought that was read again, and how much may contradict, there and in the complete date after."""

    day: date
    kind: str
    harvest: Harvest
    tolerance: Tolerance
    following: date | None
    tolerance_after: Tolerance


@dataclass(frozen=True)
class Merged:
    """Rows of a merge: new, changed (the old values are in ``bar_revision``), as they were."""

    inserted: int
    revised: int
    unchanged: int
    came_late: frozenset[date] = frozenset()
    """Dates of which a bar came that had been taken for absent, and accepted ones whose bars have changed."""

    def __add__(self, other: Merged) -> Merged:
        return Merged(
            self.inserted + other.inserted,
            self.revised + other.revised,
            self.unchanged + other.unchanged,
            self.came_late | other.came_late,
        )


class Store:
    """The schema ``ashare``, over one connection that is opened when needed and again after it was lost.

    :param connect: opens a new connection to the database that holds it.
    """

    def __init__(self, connect: Callable[[], psycopg.Connection[Any]]) -> None:
        self._connect = connect
        self._connection: psycopg.Connection[Any] | None = None
        self._name, self._lock_seconds = "ashare", LOCK_SECONDS

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; the next use opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def on_behalf_of(self, who: str, wait_seconds: float) -> None:
        """Name the sessions for those who look who holds a lock, and bound how long a statement waits for one."""
        name, lock_seconds = f"ashare: {who}", min(wait_seconds, LOCK_SECONDS)
        if (name, lock_seconds) != (self._name, self._lock_seconds):
            self.close()  # the next use opens one with these
            self._name, self._lock_seconds = name, lock_seconds

    def connect(self) -> psycopg.Connection[Any]:
        """Open a connection of one's own, set up as the store's.

        :raises StoreUnavailable: PostgreSQL cannot be reached, or refuses; the text never holds a password.
        :raises InvalidInput: the connection is not well-formed, or the database has another encoding than UTF8.
        """
        import psycopg

        try:
            connection = self._connect()
            try:
                make_texts_storable(connection)
                set_up(connection, self._name, self._lock_seconds)
            except BaseException:
                connection.close()
                raise
            return connection
        except psycopg.ProgrammingError as error:
            raise InvalidInput(f"The connection ashare_postgres is not well-formed ({one_line(error)}).") from error
        except psycopg.Error as error:
            raise StoreUnavailable(
                f"The database of the connection ashare_postgres cannot be reached ({one_line(error)}): "
                "check that it runs, and AIRFLOW_CONN_ASHARE_POSTGRES or Admin > Connections."
            ) from error

    @contextmanager
    def transaction(self) -> Iterator[psycopg.Connection[Any]]:
        """One transaction; committed at the end, or nothing of it is there."""
        with self._connected() as connection, connection.transaction():
            yield connection

    @contextmanager
    def _connected(self) -> Iterator[psycopg.Connection[Any]]:
        """The connection, each statement a transaction of its own; what the database says is an error of ours."""
        import psycopg

        if self._connection is None:
            self._connection = self.connect()
        connection = self._connection
        try:
            yield connection
        except (psycopg.Error, UnicodeError, LockHeld) as error:
            ours = told(error, connection, self._lock_seconds)
            if isinstance(ours, StoreUnavailable) and not isinstance(ours, StoreBusy):
                self.close()
            raise ours from error

    @property
    def accepted(self) -> AcceptedDates:
        """The trade dates that people take as they are."""
        return AcceptedDates(self)

    def another(self) -> Store:
        """The same database over a connection of its own, for another thread."""
        other = Store(self._connect)
        other._name, other._lock_seconds = self._name, self._lock_seconds
        return other

    def migrate(self) -> list[str]:
        """Bring the schema up to date; see ``store.migrate``."""
        with self._connected() as connection:
            return migrate(connection, self._lock_seconds)

    def version(self) -> tuple[int, str]:
        """The schema's version, and the database and host that it is in."""
        with self.transaction() as connection:
            return applied(connection), f"{connection.info.dbname} at {connection.info.host or 'localhost'}"

    @contextmanager
    def alone(self, work: str, wait_seconds: float) -> Iterator[None]:
        """Hold a lock on a piece of work, so that of two who need it done the second finds it done.

        :raises SourceBusy: another kept at it for longer than ``wait_seconds``; the text says who.
        """
        values, lock = {"work": work}, f"ashare work: {work}"
        with self._connected() as connection:
            try:
                with connection.transaction():
                    limit_wait(connection, wait_seconds)
                    row = connection.execute(queries("universe")["try_alone"], values).fetchone()
                    if row and not row[0]:
                        with reported(self.connect, lock, f"Waiting for another task that is at work on {work}"):
                            take_lock(connection, queries("universe")["alone"], lock, values)
            except LockHeld as held:
                raise SourceBusy(
                    f"Another task has been at work on {work} for over {wait_seconds:g} s: "
                    f"{holders(connection, held.lock)}."
                ) from None
        try:
            yield
        finally:
            # A lost connection has given the lock up already, and is not the error to be told.
            with suppress(StoreUnavailable):
                if self._connection is not None:
                    self._all("universe", "not_alone", {"work": work})

    def _all(self, file: str, name: str, values: Mapping[str, Any] | None = None) -> list[tuple[Any, ...]]:
        with self._connected() as connection:
            return connection.execute(queries(file)[name], values).fetchall()

    def _do(self, file: str, name: str, values: Mapping[str, Any]) -> None:
        with self._connected() as connection:
            connection.execute(queries(file)[name], values)

    def source_limit(self) -> SourceLimit:
        """What the ledger says about asking Baostock now."""
        return SourceLimit(*self._all("gate", "limit")[0])

    # ------------------------------------------------------------------ calendar and universe

    def session(self, day: date) -> tuple[bool, datetime] | None:
        """Whether ``day`` is a trading day, and when the source said so; ``None`` when it is not known."""
        rows = self._all("calendar", "session", {"day": day})
        return (rows[0][0], rows[0][1]) if rows else None

    def newest_session(self, until: date) -> date:
        """The newest session up to a day; that day itself where the calendar does not know."""
        found: date = self._all("calendar", "newest_session", {"until": until})[0][0]
        return found

    def save_calendar(self, days: Sequence[tuple[date, bool]]) -> None:
        """Record calendar days as just read from the source."""
        self._do("calendar", "save", {"days": [d for d, _ in days], "is_open": [is_open for _, is_open in days]})

    def universe_refreshed_at(self) -> datetime | None:
        """When the list of securities was last read from the source."""
        value: datetime | None = self._all("universe", "refreshed_at")[0][0]
        return value

    def known_kinds(self) -> dict[str, str]:
        """Every code that a list has ever had, with its kind."""
        return dict(self._all("universe", "known_kinds"))

    def lacking(self, codes: Collection[str], today: date) -> list[str]:
        """Known securities that are listed today, and not among these codes."""
        return [row[0] for row in self._all("universe", "lacking", {"codes": list(codes), "today": today})]

    def save_universe(
        self,
        securities: Sequence[Security],
        odd: Sequence[RejectedRow] = (),
        run_id: str | None = None,
        *,
        is_whole: bool = True,
    ) -> None:
        """Record the list of securities; none is ever removed.

        :param odd: its rows that broke a rule; of those that are not taken, what was known stays.
        :param is_whole: whether a code that it lacks is taken for lacking.
        """
        codes = [s.code for s in securities]
        columns = {
            "codes": codes,
            "names": [s.name for s in securities],
            "kinds": [s.kind for s in securities],
            "ipo_dates": [s.ipo_date for s in securities],
            "out_dates": [s.out_date for s in securities],
        }
        sql = queries("universe")
        with self.transaction() as connection:
            connection.execute(sql["save"], columns)
            if is_whole:
                connection.execute(sql["missed"], {"codes": [*codes, *(row.code for row in odd)]})
            connection.execute(sql["supersede_rejected"])
            _record_rejected(connection, "security", odd, run_id)

    def note_unlisted_indices(self, day: date, indices: Sequence[str]) -> None:
        """Hold the indices of the settings against the list of securities, and note those that it lacks."""
        self._do("universe", "note_unlisted_indices", {"day": day, "indices": list(indices)})

    def unlisted_indices(self, day: date | None = None) -> list[str]:
        """The indices that the list of securities lacks; with a trade date, those that were noticed there."""
        return [row[0] for row in self._all("universe", "unlisted_indices", {"day": day})]

    def expected(self, expectation: Expectation, kind: str) -> list[str]:
        """Codes of a kind that should have a bar that day."""
        return [row[0] for row in self._all("universe", "expected", {**expectation.parameters, "kind": kind})]

    def remaining(self, expectation: Expectation) -> dict[str, list[str]]:
        """Codes by kind that are expected that day and have neither a row nor a recorded reason."""
        return dict(self._all("universe", "remaining", expectation.parameters))

    def sample_codes(self, expectation: Expectation, most: int) -> list[str]:
        """A few that have a bar on every session: asking for them tells whether a day is published."""
        return [row[0] for row in self._all("universe", "sample", {**expectation.parameters, "most": most})]

    def count(self, expectation: Expectation) -> DateCount:
        """Count what the tables hold for the date."""
        return DateCount(*self._all("universe", "count", expectation.parameters)[0])

    def has_bars(self, day: date, kind: str | None = None) -> bool:
        """Whether any bar of the day (of one kind) is there, which proves that the day is published."""
        return bool(self._all("bars", "has_bars", {"day": day, "kind": kind})[0][0])

    def count_look(self, day: date, waits_for: str) -> int:
        """Count one more look for what is not out yet of the date; returns how many there were."""
        looks: int = self._all("status", "count_look", {"day": day, "waits_for": waits_for})[0][0]
        return looks

    def first_bar(self, code: str) -> date | None:
        """The day of a security's first bar in the table."""
        found: date | None = self._all("bars", "first_bar", {"code": code})[0][0]
        return found

    # ------------------------------------------------------------------ batches

    def replace_batches(self, day: date, batches: Iterable[Batch], run_id: str) -> list[Batch]:
        """Write a new plan for the date; what an earlier one left undone is superseded. Returns it numbered."""
        with self.transaction() as connection:
            connection.execute(queries("batches")["supersede"], {"day": day})
            return [self._add_batch(connection, day, batch, run_id) for batch in batches]

    @staticmethod
    def _add_batch(connection: psycopg.Connection[Any], day: date, batch: Batch, run_id: str) -> Batch:
        values = {
            "day": day,
            "kind": batch.kind,
            "by": batch.by,
            "codes": batch.codes,
            "label": batch.label,
            "again": batch.again,
            "run_id": run_id,
        }
        take_lock(connection, queries("batches")["lock"], f"ashare batches {day}", {"day": day})
        row = connection.execute(queries("batches")["add"], values).fetchone()
        assert row is not None
        return replace(batch, batch_no=row[0])

    def earliest_waiting(self, day: date, kind: str, codes: Sequence[str], *, since: date) -> date:
        """The earliest trade date up to ``day`` with an open batch, in any run, that asks for one of the codes."""
        values = {"day": day, "kind": kind, "codes": list(codes), "since": since}
        found: date | None = self._all("batches", "earliest_waiting", values)[0][0]
        return found or day

    def start_factor_batch(self, day: date, run_id: str) -> None:
        """Start batch 0 of the date: its adjust factors."""
        values = {"day": day, "label": f"adjust factors {day}", "run_id": run_id}
        self._do("batches", "add_factor", values)
        self.start_batch(day, FACTOR_BATCH)

    def batch(self, day: date, batch_no: int) -> Batch | None:
        """Read one batch of the plan."""
        rows = self._all("batches", "get", {"day": day, "batch_no": batch_no})
        return Batch(*rows[0]) if rows else None

    def start_batch(self, day: date, batch_no: int) -> None:
        """Mark a batch as being worked on; whatever the date waited for, it does so no longer."""
        with self.transaction() as connection:
            connection.execute(queries("batches")["start"], {"day": day, "batch_no": batch_no})
            connection.execute(queries("status")["resume"], {"day": day})

    def stop_batch(self, day: date, batch_no: int, status: str, error: str, requests: int) -> None:
        """Record why a batch is ``failed``, or ``pending`` again."""
        with self.transaction() as connection:
            self._finish(connection, day, batch_no, status, None, requests, error)

    @staticmethod
    def _finish(
        connection: psycopg.Connection[Any],
        day: date,
        batch_no: int,
        status: str,
        rows: int | None,
        requests: int,
        error: str | None = None,
    ) -> None:
        values = {"day": day, "batch_no": batch_no, "status": status, "rows": rows, "requests": requests}
        connection.execute(queries("batches")["finish"], {**values, "error": error and bounded(error)})

    def batch_errors(self, day: date, *, only_again: bool = False) -> list[str]:
        """What went wrong in the batches that are failed now, or left in the middle.

        :param only_again: only in those that read earlier dates again.
        """
        return [row[0] for row in self._all("batches", "errors", {"day": day, "only_again": only_again})]

    def factors_are_in(self, day: date, today: date) -> bool:
        """Whether the date's adjust factors were read; that there are none is believed on the day only for it."""
        return bool(self._all("batches", "factors_are_in", {"day": day, "today": today})[0][0])

    # ------------------------------------------------------------------ loading

    def load(
        self, day: date, batch_no: int, harvest: Harvest, run_id: str, *, market: tuple[str, Tolerance] | None = None
    ) -> Merged:
        """Load what a batch brought and record the batch, in one transaction: all of it or nothing.

        :param market: the kind, when it is a whole market's, and how much of it may contradict what is known.
        :raises Contradiction: more does; nothing was written but the figures.
        """
        try:
            with self.transaction() as connection:
                merged = merge(connection, harvest, run_id)
                _record_absence(connection, day, harvest, run_id)
                if market:
                    _verify(connection, day, *market, run_id)
                self._finish(connection, day, batch_no, "success", harvest.rows, harvest.requests)
                for batch in harvest.follow_ups:
                    numbered = self._add_batch(connection, day, batch, run_id)
                    # Its rows and requests are counted with the batch that found it.
                    self._finish(connection, day, numbered.batch_no, "success", 0, 0)
        except Contradiction as found:
            if market:
                with self.transaction() as connection:
                    cross_check.record(connection, day, market[0], found.checks, run_id)
            raise
        return merged

    def finish_batch(self, day: date, batch_no: int, rows: int, requests: int) -> None:
        """Record that a batch is done whose rows were loaded under other dates."""
        with self.transaction() as connection:
            self._finish(connection, day, batch_no, "success", rows, requests)

    def reload(self, again: Sequence[Again], run_id: str) -> list[Merged]:
        """Load what dates brought that were read again, in one transaction: all of it or nothing.

        :raises Contradiction: more than is allowed contradicts, in one of them or in the date after it; what is
            recorded of them stays as it was.
        """
        with self.transaction() as connection:
            merged = []
            for date_ in again:
                merged.append(merge(connection, date_.harvest, run_id))
                _record_absence(connection, date_.day, date_.harvest, run_id)
            for date_ in again:
                _verify(connection, date_.day, date_.kind, date_.tolerance, run_id)
            for date_ in again:
                if date_.following:
                    checks = cross_check.cross_check(connection, date_.following, date_.kind, date_.tolerance_after)
                    if any(check.passed is False for check in checks):
                        raise Contradiction(checks)
        return merged

    # ------------------------------------------------------------------ cross-checks and corrections

    def cross_check(self, day: date, kind: str, tolerance: Tolerance, run_id: str) -> list[CrossCheck]:
        """Hold a date's bars against what is known, and record the outcome."""
        with self.transaction() as connection:
            checks = cross_check.cross_check(connection, day, kind, tolerance)
            cross_check.record(connection, day, kind, checks, run_id)
        return checks

    def neighbours(self, day: date) -> tuple[date | None, date | None]:
        """The sessions before and after a date, as far as the calendar is known."""
        with self.transaction() as connection:
            return cross_check.neighbours(connection, day)

    def contradicted(self, day: date, kinds: Sequence[str]) -> set[str]:
        """Kinds of the date whose last cross-checks failed, or that the date after it disagrees with."""
        return {row[0] for row in self._all("cross_check", "contradicted", {"day": day, "kinds": list(kinds)})}

    def universe_found_wrong_at(self) -> datetime | None:
        """When bars of securities that the list lacks were last found; by any date."""
        found: datetime | None = self._all("cross_check", "universe_found_wrong")[0][0]
        return found

    def due_again(self, day: date, kinds: Sequence[str], *, days: int, since: date) -> dict[date, list[str]]:
        """Complete dates among the last ``days`` sessions before ``day`` to be read again, with their kinds."""
        values = {"day": day, "kinds": list(kinds), "days": days, "since": since}
        return dict(self._all("cross_check", "due", values))

    def complete_since(self, day: date, kind: str, *, days: int) -> date | None:
        """The earliest complete date among the last ``days`` sessions before ``day``."""
        found: date | None = self._all("cross_check", "complete_since", {"day": day, "kind": kind, "days": days})[0][
            0
        ]
        return found

    def factors_may_be_late(self, day: date) -> bool:
        """Whether some of the date's prices moved as on an ex-date for which there is no adjust factor."""
        return bool(self._all("cross_check", "factors_may_be_late", {"day": day})[0][0])

    def doubt(self, day: date) -> None:
        """Have a complete date read again by the next run after it."""
        self._do("cross_check", "doubt", {"day": day})

    def reopen_factors(self, day: date, error: str) -> None:
        """Have the date's adjust factors asked for again."""
        with self.transaction() as connection:
            self._finish(connection, day, FACTOR_BATCH, "failed", None, 0, error)

    def save_factors(
        self,
        day: date,
        factors: Sequence[tuple[str, date, str, str]],
        requests: int,
        odd: Sequence[RejectedRow] = (),
        run_id: str | None = None,
    ) -> None:
        """Write (code, ex_date, fore, back), and the rows that broke a rule; record batch 0: in one transaction."""
        codes, ex_dates, fore, back = ([list(c) for c in zip(*factors, strict=True)]) or ([], [], [], [])
        values = {"codes": codes, "ex_dates": ex_dates, "fore": fore, "back": back}
        with self.transaction() as connection:
            named = [*codes, *(row.code for row in odd)] if codes else []
            connection.execute(queries("bars")["drop_wrong_factors"], {"codes": named, "day": day})
            connection.execute(queries("bars")["save_factors"], values)
            record_rejected_factors(connection, odd, run_id, day=day)
            self._finish(connection, day, FACTOR_BATCH, "success", len(factors), requests)

    # ------------------------------------------------------------------ status

    def start_date(self, day: date, kinds: Sequence[str], run_id: str) -> None:
        """Record that work on the date starts."""
        self._do("status", "start", {"day": day, "kinds": list(kinds), "run_id": run_id})

    def complete_kinds(self, day: date) -> tuple[str, ...]:
        """The kinds that a date was complete for when it was last counted."""
        rows = self._all("status", "complete_kinds", {"day": day})
        return tuple(rows[0][0]) if rows else ()

    def status(self, day: date) -> tuple[str, tuple[str, ...]] | None:
        """A date's status and the kinds that it speaks of."""
        rows = self._all("status", "get", {"day": day})
        return (rows[0][0], tuple(rows[0][1])) if rows else None

    def recount_date(self, expectation: Expectation, note: str | None, count: DateCount) -> None:
        """Write new figures of a complete date whose rows have changed since."""
        names = ("expected", "loaded", "suspended", "rejected", "revised")
        counted = {name: getattr(count, name) for name in names}
        self._do("status", "recount", {**counted, "day": expectation.day, "reason": note and bounded(note)})

    def contradict_date(self, day: date, reason: str) -> None:
        """Call a complete date failed after all."""
        self._do("status", "contradict", {"day": day, "reason": bounded(reason)})

    def fail_date(self, day: date, kinds: Sequence[str], reason: str, run_id: str) -> None:
        """Record why the date cannot go on."""
        values = {"day": day, "kinds": list(kinds), "reason": bounded(reason), "run_id": run_id}
        self._do("status", "fail", values)

    def postpone_date(self, day: date, kinds: Sequence[str], reason: str, run_id: str) -> None:
        """Record what the date waits for."""
        values = {"day": day, "kinds": list(kinds), "reason": bounded(reason), "run_id": run_id}
        self._do("status", "postpone", values)

    def step_failure(self, day: date) -> str | None:
        """Why a step could not go on with the date, unless the date was counted since."""
        rows = self._all("status", "step_failure", {"day": day})
        return rows[0][0] if rows else None

    def finish_date(
        self,
        day: date,
        status: str,
        kinds: Sequence[str],
        *,
        reason: str | None,
        run_id: str,
        missing: int | None = None,
        count: DateCount | None = None,
    ) -> None:
        """Record a date's end with what was counted; with ``success``, it is complete for these kinds."""
        names = ("expected", "loaded", "suspended", "rejected", "revised", "requests")
        counted = {name: getattr(count, name, None) for name in names}
        values = {"day": day, "status": status, "kinds": list(kinds), "run_id": run_id}
        why = reason and bounded(reason)
        self._do("status", "finish", {**counted, **values, "reason": why, "missing": missing})

    def is_settled(self, day: date, kinds: Sequence[str]) -> bool:
        """Whether the date is recorded as complete for these kinds."""
        return bool(self._all("status", "is_settled", {"day": day, "kinds": list(kinds)})[0][0])


def _verify(connection: psycopg.Connection[Any], day: date, kind: str, tolerance: Tolerance, run_id: str) -> None:
    checks = cross_check.cross_check(connection, day, kind, tolerance)
    if any(check.passed is False for check in checks):
        raise Contradiction(checks)
    cross_check.record(connection, day, kind, checks, run_id)
    connection.execute(queries("cross_check")["checked"], {"day": day})


def merge(connection: psycopg.Connection[Any], harvest: Harvest, run_id: str) -> Merged:
    """Set the rejected rows aside and merge the good ones, within the caller's transaction."""
    for reject in harvest.rejects:
        connection.execute(queries("bars")["reject"], _reject_values(reject, run_id))
    merged = _merge_rows(connection, harvest, run_id)
    if harvest.blanked:
        from psycopg.types.json import Jsonb

        rows = [{**asdict(blanked), "raw": Jsonb(blanked.raw), "run_id": run_id} for blanked in harvest.blanked]
        with connection.cursor() as cursor:
            cursor.executemany(queries("bars")["blanked"], rows)
    return merged


def _record_absence(connection: psycopg.Connection[Any], day: date, harvest: Harvest, run_id: str) -> None:
    for absent in harvest.absent_ranges:
        record_absent_range(connection, absent, run_id)
    if harvest.absence:
        absence = {"codes": list(harvest.absence.codes), "reason": harvest.absence.reason}
        connection.execute(queries("bars")["record_absent"], {**absence, "day": day, "run_id": run_id})


def record_absent_range(connection: psycopg.Connection[Any], absent: AbsentRange, run_id: str) -> None:
    """Record days before an index's first bar; one row with those next to them, within the caller's transaction."""
    values = {**asdict(absent), "reason": BEFORE_THE_FIRST_BAR, "run_id": run_id}
    connection.execute(queries("bars")["record_absent_range"], values)


def record_rejected_factors(
    connection: psycopg.Connection[Any],
    odd: Sequence[RejectedRow],
    run_id: str | None,
    *,
    day: date | None = None,
    code: str | None = None,
) -> None:
    """Record what broke a rule in the last answer about a day, or about a stock, within the caller's transaction."""
    connection.execute(queries("universe")["supersede_rejected_factors"], {"day": day, "code": code})
    _record_rejected(connection, "factor", odd, run_id)


def _record_rejected(
    connection: psycopg.Connection[Any], dataset: str, rows: Sequence[RejectedRow], run_id: str | None
) -> None:
    """Record rows that broke a rule, within the caller's transaction; it has superseded those of earlier answers."""
    from psycopg.types.json import Jsonb

    values = [{**asdict(row), "raw": Jsonb(row.raw), "dataset": dataset, "run_id": run_id} for row in rows]
    with connection.cursor() as cursor:
        cursor.executemany(queries("universe")["reject"], values)


def _merge_rows(connection: psycopg.Connection[Any], harvest: Harvest, run_id: str) -> Merged:
    bars = queries("bars")
    if not harvest.rows:
        lock_merging(connection)
        return Merged(0, 0, 0)
    connection.execute(bars["stage"])
    with connection.cursor() as cursor:
        with cursor.copy(bars["copy"]) as copy:
            harvest.bars.seek(0)
            while chunk := harvest.bars.read(1 << 18):
                copy.write(chunk)
        cursor.execute(bars["analyze"])
        lock_merging(connection)
        came_late = frozenset(row[0] for row in cursor.execute(bars["no_longer_absent"]).fetchall())
        cursor.execute(bars["no_longer_rejected"])
        cursor.execute(bars["no_longer_blanked"])
        row = cursor.execute(bars["merge"], {"run_id": run_id, "because": ROWS_CHANGED}).fetchone()
        assert row is not None
        inserted, revised, no_longer_accepted = row
        if no_longer_accepted:
            cursor.execute(bars["fail_no_longer_accepted"], {"days": no_longer_accepted})
            came_late |= frozenset(no_longer_accepted)
        if revised:
            cursor.execute(bars["count_revised"])
        cursor.execute(bars["unstage"])  # one transaction may merge several
    return Merged(inserted, revised, harvest.rows - inserted - revised, came_late)


def _reject_values(reject: Reject, run_id: str) -> dict[str, Any]:
    from psycopg.types.json import Jsonb

    return {
        "trade_date": reject.trade_date,
        "code": reject.code,
        "rule": reject.rule,
        "raw": Jsonb(reject.raw),
        "run_id": run_id,
    }
