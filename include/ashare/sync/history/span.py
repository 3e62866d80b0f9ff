"""The context of a history run: the range, the run's params, the settings, the store and the source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import date
from functools import cached_property

from ashare.checks import is_code
from ashare.cost import CODES_A_BATCH
from ashare.datasets import DATASETS, WEEKLY_DATASETS, bars_of, kept_with
from ashare.dates import parse_trade_date_range
from ashare.errors import InvalidInput
from ashare.source import Session
from ashare.store import Store
from ashare.store.history_tables import HistoryRange, HistoryTables
from ashare.store.rows import Plan
from ashare.sync.run import Run, RunContext
from ashare.texts import named


@dataclass(frozen=True)
class HistoryRun(RunContext):
    """A run over many years.

    :ivar datasets: names of the datasets to load, which determine the kinds; ``None``: the bars of the kinds, and the
        adjust factors.
    :ivar codes: only these securities; ``None``: all securities of the kinds, delisted ones included.
    :raises InvalidInput: a date, a kind, a code or the batch size is invalid.
    """

    start: date
    end: date
    codes: Sequence[str] | None = None
    datasets: Sequence[str] | None = None
    batch_size: int = field(default=CODES_A_BATCH, kw_only=True)

    def __post_init__(self) -> None:
        if self.datasets is not None and not self.weekly:
            object.__setattr__(self, "kinds", kinds_of(self.datasets))
        check_span(self.start, self.end, self.today)
        for code in self.codes or ():
            if not is_code(code):
                raise InvalidInput(f"{code!r} is not a code: write it with its exchange, for example sh.600000.")
        super().__post_init__()
        if check_datasets(self.datasets or ()):
            if self.codes is not None:
                raise InvalidInput("A weekly list comes whole: leave codes out.")
            return
        check_begin(self.kinds, self.end)

    @property
    def weekly(self) -> tuple[str, ...]:
        """The weekly datasets that the run loads. A run with such datasets loads nothing else."""
        return _weekly_of(self.datasets or ())

    @property
    def is_part(self) -> bool:
        """Whether this run alone cannot complete the range's dates.

        It loads only some codes, no bars of stocks, or no adjust factors.
        """
        return self.codes is not None or not set(kept_with(["stock"])) <= set(self.loaded)

    @property
    def loaded(self) -> tuple[str, ...]:
        """The names of the datasets that the run loads."""
        return kept_with(self.kinds) if self.datasets is None else tuple(self.datasets)

    def as_planned(self) -> HistoryRun:
        """The run with its planned range, which begins on the first day with bars at Baostock."""
        start = self.tables.planned_start()
        return replace(self, start=start) if start and start != self.start else self

    @property
    def plan(self) -> Plan:
        """The batches of this run."""
        return Plan(f"history {self.run_id}", None, self.run_id)  # the id of a run may look like a trade date

    @cached_property
    def tables(self) -> HistoryTables:
        """The tables of this run."""
        return self.tables_over(self.store)

    def tables_over(self, store: Store) -> HistoryTables:
        """The tables of this run over another connection."""
        codes = None if self.codes is None else tuple(dict.fromkeys(self.codes))
        indices = self.settings.indices
        if codes:
            indices = (*indices, *(code for code in codes if code not in indices))  # any index may be requested
        # A run of weekly lists works on no trade date.
        kinds, limit = () if self.weekly else tuple(self.kinds), self.settings.max_rejected
        span = HistoryRange(self.start, self.end, kinds, indices, codes, self.run_id, limit, self.loaded)
        return HistoryTables(store, span)

    def on(self, day: date) -> Run:
        """The run of one trade date of the range, also with per-security requests."""
        return Run(
            day,
            fetch="code",
            leaves_reserve=True,
            **{each.name: getattr(self, each.name) for each in fields(RunContext)},
        )

    def session(self, requests: int = 1) -> Session:
        """A Baostock session of this run; it leaves the reserve of the budget to others."""
        # Batches of one run do not give way to each other.
        return self._session(requests, self.settings.reserve, party=self.run_id)


def check_span(start: date, end: date, today: date) -> None:
    """Refuse a range that no history can load.

    :raises InvalidInput: a day is no trade date, the range is the wrong way round, or its last day is not over.
    """
    parse_trade_date_range(start, end)
    if end >= today:
        raise InvalidInput(
            f"The end date {end} is not over in Beijing: choose one before {today}; that day's bars "
            "are ashare_daily's."
        )


def check_begin(kinds: Sequence[str], end: date) -> None:
    """Refuse a range that ends before the bars of all kinds begin.

    :raises InvalidInput: Baostock's bars begin later.
    """
    bars = [bars_of(kind) for kind in kinds]
    if all(dataset.begins_after(end) for dataset in bars):
        begin = " and ".join(f"{dataset.plural} begin on {dataset.first_date}" for dataset in bars)
        raise InvalidInput(
            f"Baostock's bars of {begin}, and the end date is {end}: choose a later one, or other kinds."
        )


def check_datasets(datasets: Sequence[str]) -> tuple[str, ...]:
    """Refuse weekly datasets together with others.

    :returns: the weekly ones.
    :raises InvalidInput: there are weekly ones and others.
    """
    weekly = _weekly_of(datasets)
    others = [str(name) for name in datasets if name not in WEEKLY_DATASETS]
    if weekly and others:
        raise InvalidInput(
            f"{named(weekly)} are weekly lists, and {named(others)} are not: trigger a run for each of both."
        )
    return weekly


def _weekly_of(datasets: Sequence[str]) -> tuple[str, ...]:
    return tuple(name for name in WEEKLY_DATASETS if name in datasets)


def kinds_of(datasets: Sequence[str]) -> tuple[str, ...]:
    """The kinds of securities of some datasets; adjust factors are of stocks.

    :raises InvalidInput: there is no such dataset, or none is given.
    """
    unknown = [str(name) for name in datasets if name not in DATASETS]
    if unknown or not datasets:
        raise InvalidInput(
            f"There is no dataset {', '.join(unknown) or '(none was given)'}: datasets is a list of "
            f"{', '.join([*DATASETS, *WEEKLY_DATASETS])}."
        )
    return tuple(dict.fromkeys(DATASETS[name].kind or "stock" for name in datasets))
