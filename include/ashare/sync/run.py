"""The context of one trade date's run: the date, the run's params, the settings, the store and the source."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, time

from ashare.datasets import KINDS, MARKET_DAY_FROM, kept_with, newest_published
from ashare.dates import beijing_now, parse_trade_date
from ashare.errors import AshareError, IncompleteDate, InvalidInput, NotVerified, Postponed
from ashare.settings import Settings, current_settings
from ashare.source import Session, SourceConfig
from ashare.store import Expectation, SourceGate, Store
from ashare.store.rows import Plan
from ashare.store.work import Scope
from ashare.sync.absence import Evidence

log = logging.getLogger(__name__)

KINDS_OF_SETTINGS = ("those of the settings",)
"""The default of a run's kinds: the run has the kinds of its settings instead."""
FETCHES = ("auto", "code")
DEFAULT_BATCH_SIZE = 500

FEW = 10
"""Up to this many codes, per-security requests are faster than the whole market (0.2 s each against 6 to 50 s)."""

GIVE_UP = time(23, 0)
"""The time at which polling for today's bars is given up."""


@dataclass
class BatchTry:
    """One try of a batch, and its session, once it has one."""

    session: Session | None = None


@dataclass(frozen=True, kw_only=True)
class RunContext:
    """What the run of a trade date and a run over many years have alike.

    :ivar kinds: kinds of securities; default: those of the settings.
    :ivar who: the requester's name in the request ledger, shown also to sessions that wait for the connection.
    :raises InvalidInput: a kind or the batch size is invalid.
    """

    store: Store
    source: SourceConfig
    kinds: Sequence[str] = KINDS_OF_SETTINGS
    batch_size: int = DEFAULT_BATCH_SIZE
    run_id: str = "manual"
    who: str = "manual"
    settings: Settings = field(default_factory=current_settings)
    now: Callable[[], datetime] = beijing_now

    def __post_init__(self) -> None:
        if self.kinds is KINDS_OF_SETTINGS:
            object.__setattr__(self, "kinds", self.settings.kinds)
        unknown = [str(kind) for kind in self.kinds if kind not in KINDS]
        if unknown or not self.kinds:
            raise InvalidInput(
                f"There is no kind of security {', '.join(unknown) or '(none was given)'}: "
                f"kinds is a list of {', '.join(KINDS)}."
            )
        if not isinstance(self.batch_size, int) or self.batch_size < 1:
            raise InvalidInput(f"batch_size is {self.batch_size!r}: it must be a whole number from 1 on.")
        self.store.name_sessions(self.who, self.settings.lock_timeout)

    @property
    def today(self) -> date:
        return self.now().date()

    def _session(self, requests: int, reserved: int, *, trade_date: date | None = None, party: str = "") -> Session:
        """A Baostock session of this run. See ``SourceGate`` for the parameters."""
        gate = SourceGate(
            self.store.connect,
            who=self.who,
            wait_seconds=self.settings.lock_timeout,
            budget=self.settings.request_budget,
            reserved=reserved,
            trade_date=trade_date,
            party=party,
        )
        return Session(self.source, gate, requests)


@dataclass(frozen=True)
class Run(RunContext):
    """One trade date's run.

    :ivar verify: if the date is complete, read it again and compare.
    :ivar leaves_reserve: leave the reserve of the budget to the newest date's own run: this work can wait.
    :raises InvalidInput: the date, a kind, the fetch mode or the batch size is invalid, or ``verify`` cannot be.
    """

    day: date
    fetch: str = "auto"
    verify: bool = False
    leaves_reserve: bool = False

    def __post_init__(self) -> None:
        parse_trade_date(self.day, today=self.today)
        super().__post_init__()
        if self.fetch not in FETCHES:
            raise InvalidInput(f"fetch is {self.fetch!r}: it must be one of {', '.join(FETCHES)}.")
        if self.verify:
            check_verifiable(self.day, self.kinds, self.fetch)

    @property
    def datasets(self) -> tuple[str, ...]:
        """The names of the datasets that the run loads."""
        return kept_with(self.kinds)

    @property
    def asked(self) -> tuple[str, ...]:
        """The names of the datasets that the database is meant to have."""
        return kept_with(self.settings.kinds)

    @property
    def scope(self) -> Scope:
        """What the run works on."""
        return Scope(self.day, self.datasets, self.asked, self.run_id)

    @property
    def plan(self) -> Plan:
        """The batches of the trade date."""
        return Plan(str(self.day), self.day, self.run_id)

    @property
    def expectation(self) -> Expectation:
        """The securities that should have a bar on the trade date."""
        return Expectation(
            self.day, self.today, tuple(self.kinds), self.settings.indices, rejected_limit=self.settings.max_rejected
        )

    def has_market_call(self, kind: str) -> bool:
        """Whether one request brings all bars of the kind on the trade date."""
        return self.fetch == "auto" and kind in MARKET_DAY_FROM and self.day >= MARKET_DAY_FROM[kind]

    @property
    def is_newest(self) -> bool:
        """Whether the trade date is the newest session whose bars should be out. Only its run may use the reserve."""
        return self.day >= self.store.calendar.newest_session(newest_published(self.now()))

    def session(self, requests: int = 1) -> Session:
        """A Baostock session of this run.

        :param requests: expected calls and pages, at least.
        """
        reserved = self.settings.reserve if self.leaves_reserve or not self.is_newest else 0
        # Batches of one run do not give way to each other: all are needed, and a change costs two requests.
        return self._session(requests, reserved, trade_date=self.day, party=f"{self.day} {self.run_id}")

    @property
    def evidence(self) -> Evidence:
        """What an absence on the trade date is judged by, before any request."""
        now = self.now()
        return Evidence(now.time() if self.day == now.date() else None, self.settings.max_absent)

    def is_today_before(self, moment: time) -> bool:
        """Whether the trade date is today and Beijing's clock shows less than ``moment``."""
        now = self.now()
        return self.day == now.date() and now.time() < moment

    @contextmanager
    def end_recorded(self) -> Iterator[None]:
        """Record why the work on the date failed, or what it waits for."""
        try:
            yield
        except (IncompleteDate, NotVerified):
            raise  # the last step has recorded it
        except Exception as error:
            with recording(f"{self.day}"):
                if isinstance(error, Postponed):
                    self.store.work.wait(self.scope, reason_of(error), error.until)
                else:
                    self.store.work.fail(self.scope, reason_of(error))
            raise

    @contextmanager
    def batch_recorded(self, batch_no: int, dataset: str) -> Iterator[BatchTry]:
        """Record how a try of a batch ended, and what its dataset of the trade date waits for."""
        try:
            with batch_recorded(self.store, self.plan, batch_no) as tried:
                yield tried
        except Postponed as error:
            with recording(f"batch {batch_no} of {self.day}"):
                self.store.work.wait(self.scope, reason_of(error), error.until, only=[dataset])
            raise


@contextmanager
def batch_recorded(store: Store, plan: Plan, batch_no: int) -> Iterator[BatchTry]:
    """Record how a try of a batch ended: that it is done, why it failed, or what it waits for."""
    tried = BatchTry()
    try:
        yield tried
    except Exception as error:
        status = "pending" if isinstance(error, Postponed) else "failed"
        with recording(f"batch {batch_no} of {plan.name}"):
            store.batches.finish(plan, batch_no, status, _requests(tried), reason_of(error))
        raise
    store.batches.finish(plan, batch_no, "success", _requests(tried))


def check_verifiable(first: date, kinds: Collection[str], fetch: str = "auto") -> None:
    """Check that the dates from ``first`` on can be read again as whole markets.

    :raises InvalidInput: they cannot; the text says why.
    """
    since = min((MARKET_DAY_FROM[kind] for kind in kinds if kind in MARKET_DAY_FROM), default=None)
    if fetch != "auto":
        raise InvalidInput(f"verify reads the whole market again, and fetch is {fetch!r}: leave fetch out.")
    if since is None:
        raise InvalidInput(
            f"verify reads whole markets again, and Baostock has none of {', '.join(kinds)}: "
            f"kinds needs one of {', '.join(MARKET_DAY_FROM)}."
        )
    if first < since:
        raise InvalidInput(
            f"{first} cannot be read again and compared: Baostock has whole markets of "
            f"{', '.join(kind for kind in kinds if kind in MARKET_DAY_FROM)} from {since} on. Choose later dates."
        )


def _requests(tried: BatchTry) -> int:
    return tried.session.requests if tried.session else 0


def reason_of(error: Exception) -> str:
    """An error as a reason: the sentence of an ``AshareError``; any other error with its type in front."""
    if isinstance(error, AshareError):
        return f"{error}"
    return f"{type(error).__name__}: {error}" if f"{error}" else type(error).__name__


@contextmanager
def recording(what: str) -> Iterator[None]:
    """Log an error of recording a failure, instead of raising it: it must not hide the failure itself."""
    try:
        yield
    except AshareError as problem:
        log.error("The reason why %s ended could not be recorded; its record is unchanged. %s", what, problem)
