"""The lists of one week: fetched in one session, checked, and written as spans, each call's in one transaction."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta

from ashare.datasets import (
    INDEX_MEMBERS,
    MEMBER_LISTS,
    OF_INDUSTRY_CALL,
    WEEKLY_DATASETS,
    newest_week,
)
from ashare.dates import monday_of, parse_week
from ashare.errors import AshareError, BadReply, IncompleteDate, InvalidInput, NotPublishedYet, TerminalError
from ashare.source import Session
from ashare.source.replies import PAGE_ROWS
from ashare.store.rows import HeldRows
from ashare.store.weekly_lists import WeeklyList, WeekState
from ashare.sync.publication import PollPace
from ashare.sync.reference import (
    REFERENCE_WORK,
    UNIVERSE_PAGES,
    calendar_is_known,
    refresh_calendar,
    refresh_universe,
    universe_is_known,
)
from ashare.sync.run import Run
from ashare.sync.weeks.lists import (
    check_like,
    check_listed,
    check_whole,
    read_industries,
    read_members,
    update_date_of,
)
from ashare.texts import joined, named

log = logging.getLogger(__name__)

COMPARED_WITHIN = timedelta(weeks=26)
"""A list is compared with the nearest one within so much time."""

LOOKS = PollPace(2, 2, timedelta(hours=2))
"""For lists that Baostock has not loaded on the evening of their Monday."""
GIVE_UP_AFTER, GIVE_UP_AT = timedelta(days=2), time(23, 0)
"""On the Wednesday at 23:00, a list that is still the week before's is a fault."""


@dataclass(frozen=True)
class WeekRun(Run):
    """The run of a week's lists; its ``day`` is the week's Monday.

    :ivar wanted: names of weekly datasets.
    :raises InvalidInput: the day is no Monday, lies in the future, or is before the first list; a dataset is unknown.
    """

    wanted: Sequence[str] = tuple(WEEKLY_DATASETS)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_weekly(self.wanted)
        parse_week(self.day)
        first = min(WEEKLY_DATASETS[name].first_week for name in self.wanted)
        if self.day < first:
            raise InvalidInput(f"Baostock has no lists of the week {self.day}: choose a Monday from {first} on.")

    @property
    def datasets(self) -> tuple[str, ...]:
        """The names of the datasets that the run loads. One call brings industries and names."""
        wanted = {*self.wanted, *(OF_INDUSTRY_CALL if set(self.wanted) & set(OF_INDUSTRY_CALL) else ())}
        return tuple(name for name in WEEKLY_DATASETS if name in wanted)

    @property
    def asked(self) -> tuple[str, ...]:
        """The names of the datasets that the database is meant to have."""
        return self.datasets

    @property
    def is_newest(self) -> bool:
        """Lists can wait: the reserve of the budget is left to trade dates."""
        return False

    def states(self) -> list[WeekState]:
        """The states of the week, one per dataset."""
        return self.store.weekly_lists.states(self.datasets, self.day, self.day, newest_week(self.now()))

    def lacking(self) -> list[str]:
        """The names of the datasets that are to be fetched."""
        return [state.dataset for state in self.states() if not state.is_settled]


def check_weekly(names: Sequence[str]) -> None:
    """Refuse names that are no weekly datasets.

    :raises InvalidInput: a name is unknown, or none is given.
    """
    unknown = [str(name) for name in names if name not in WEEKLY_DATASETS]
    if unknown or not names:
        raise InvalidInput(
            f"There is no weekly dataset {named(unknown) or '(none was given)'}: datasets is a list of "
            f"{', '.join(WEEKLY_DATASETS)}."
        )


def sync_week(run: WeekRun) -> list[HeldRows]:
    """Load what a week lacks, then what the weeks before lack that healing covers.

    :returns: what each dataset holds; empty if Baostock has no list of the week.
    :raises NotPublishedYet: the lists of this week are not loaded at Baostock.
    :raises BadReply: a list is not believed; nothing of its call was written.
    :raises IncompleteDate: rows are gone again.
    """
    _load(run)
    if run.day == newest_week(run.now()):
        for week in _open_weeks(run):
            try:
                _load(replace(run, day=week))
            except AshareError as problem:  # recorded with its week, and left to a later run
                log.warning("The week %s is left to a later run. %s", week, problem)
    return _results(run)


def _load(run: WeekRun) -> None:
    with run.end_recorded():
        run.store.work.start(run.scope)
        ensure_week_reference(run)
        # Of two concurrent runs of one week, the second finds the lists loaded.
        with run.store.mutex(f"the lists of the week {run.day}", run.settings.lock_timeout):
            if lacking := run.lacking():
                with run.session(requests_of(run.day, lacking)) as session:
                    fetch_lists(run, session, lacking)
            else:
                log.info("%s: nothing is asked of Baostock.", run.day)
        run.store.work.done([run.day], run.datasets)


def _open_weeks(run: WeekRun) -> list[date]:
    """Earlier weeks within the last ``ASHARE_HEAL_SESSIONS`` sessions that are not complete, oldest first."""
    sessions = run.store.calendar.sessions(run.day - timedelta(days=2 * run.settings.heal_sessions + 14), run.day)
    recent = sessions[-run.settings.heal_sessions - 1 : -1] if run.settings.heal_sessions else []
    if not recent:
        return []
    last = run.day - timedelta(weeks=1)
    states = run.store.weekly_lists.states(run.datasets, monday_of(recent[0]), last, last)
    return sorted({state.week for state in states if state.state in ("partial", "missing", "failed")})


def _results(run: WeekRun) -> list[HeldRows]:
    states = [state for state in run.states() if state.state != "none"]
    if open_states := [state for state in states if state.state != "complete"]:
        raise IncompleteDate(
            f"The week {run.day} is not complete: "
            f"{joined([f'{state.dataset}: {state.reason or state.state}' for state in open_states], '; ')}"
        )
    return [HeldRows(state.dataset, state.loaded, state.missing or 0) for state in states]


def ensure_week_reference(run: Run) -> None:
    """Read the calendar and the list of securities, in one session, where they are missing or stale.

    The calendar says which Mondays are holidays; the list of securities, whether a list is whole.
    """
    with run.store.mutex(REFERENCE_WORK, run.settings.lock_timeout):
        knows_calendar, knows_universe = calendar_is_known(run), universe_is_known(run)
        if knows_calendar and knows_universe:
            return
        with run.session(1 if knows_universe else 2 * UNIVERSE_PAGES) as session:
            if not knows_calendar:
                refresh_calendar(run, session)
            if not knows_universe:
                refresh_universe(run, session)


def requests_of(week: date, datasets: Sequence[str], stocks: int = 2 * PAGE_ROWS + 1) -> int:
    """The number of calls and pages that some datasets of a week take.

    :param stocks: number of rows of the list of industries.
    """
    lists = sum(each.first_week <= week for each in MEMBER_LISTS.values()) if INDEX_MEMBERS.name in datasets else 0
    # A full last page makes the client ask for one more.
    return lists + (stocks // PAGE_ROWS + 1 if set(datasets) & set(OF_INDUSTRY_CALL) else 0)


def requests_of_weeks(lacking: Mapping[date, Sequence[str]], stocks: Mapping[date, int]) -> int:
    """The number of calls and pages that some weeks take.

    :param lacking: the datasets to be fetched, by week.
    :param stocks: number of stocks that were ever listed, by week.
    """
    return sum(requests_of(week, names, stocks[week]) for week, names in lacking.items())


def fetch_lists(run: WeekRun, session: Session, lacking: Sequence[str]) -> int:
    """Fetch, check and write the lists of a week: what one call brings is written at once, or not at all.

    :returns: the number of rows that were written.
    :raises NotPublishedYet: a list is still the week before's, and may come.
    :raises BadReply: a list is not believed.
    """
    rows = 0
    problems = []
    for datasets, fetch in (((INDEX_MEMBERS.name,), _members), (OF_INDUSTRY_CALL, _industries)):
        if set(lacking) & set(datasets):
            try:
                rows += _save(run, fetch(run, session))
            except BadReply as problem:  # the other call's lists may be right
                problems.append(str(problem))
    if problems:
        raise BadReply(joined(problems, " "))
    return rows


def _save(run: WeekRun, lists: Sequence[WeeklyList]) -> int:
    for each in lists:
        nearest = run.store.weekly_lists.nearest(each.dataset, each.as_of, COMPARED_WITHIN.days)
        if nearest is not None:
            check_like(each, run.store.weekly_lists.rows(each.dataset, nearest), nearest)
    saved = run.store.weekly_lists.save(lists, run.run_id)
    for name, count in saved.items():
        log.info("%s: %d %s.", run.day, count, WEEKLY_DATASETS[name].plural)
    return sum(saved.values())


def _members(run: WeekRun, session: Session) -> Sequence[WeeklyList]:
    listed = run.store.weekly_lists.listed_stocks(run.day)
    rows, dates, most = [], [], 0
    for of in MEMBER_LISTS.values():
        if of.first_week <= run.day:
            table = session.index_members(of.code, run.day)
            dates.append(_checked_date(run, update_date_of(table, f"members of {of.name}"), f"members of {of.name}"))
            rows += read_members(table, of)
            most += of.members - of.fewest
    found = WeeklyList(INDEX_MEMBERS, run.day, max(dates), rows)
    check_listed(found, listed, most)
    return [found]


def _industries(run: WeekRun, session: Session) -> Sequence[WeeklyList]:
    table = session.industries(run.day)
    update_date = _checked_date(run, update_date_of(table, "industries"), "industries")
    industries, names = read_industries(table, run.day, update_date)
    check_whole(industries, run.store.weekly_lists.listed_stocks(run.day), run.settings.max_absent)
    return industries, names


def _checked_date(run: WeekRun, update_date: date, what: str) -> date:
    """The date of a list, if the list is the week's: of its Monday, or of an earlier one if all since are holidays.

    :raises NotPublishedYet: the list is older, and this week's may come.
    :raises TerminalError: it has not come until ``GIVE_UP_AT``.
    :raises BadReply: the list is of another week.
    """
    if update_date == run.day or (update_date < run.day and _are_holidays(run, update_date)):
        return update_date
    if update_date > run.day or run.day < monday_of(run.today):
        raise BadReply(
            f"Baostock was asked for the {what} of {run.day} and sent those of {update_date}: they are not believed."
        )
    now = run.now()
    give_up = datetime.combine(run.day + GIVE_UP_AFTER, GIVE_UP_AT, now.tzinfo)
    if now >= give_up:
        raise TerminalError(
            f"Baostock has not loaded the {what} of {run.day} by {give_up:%Y-%m-%d %H:%M} (its newest are of "
            f"{update_date}): run the week again later (airflow dags backfill -s {run.day} -e {run.day} "
            "ashare_reference --rerun-failed-tasks)."
        )
    pause = LOOKS.pause(run.store.work.count_poll(run.day, what), run.settings.poll_seconds)
    raise NotPublishedYet(
        f"{run.day}: the {what} are not loaded at Baostock yet, its newest are of {update_date}.",
        min(now + pause, give_up),
    )


def _are_holidays(run: WeekRun, update_date: date) -> bool:
    """Whether every Monday after ``update_date`` up to the run's is a holiday: then nothing was loaded since."""
    week, monday = timedelta(weeks=1), run.day
    while monday > update_date:
        known = run.store.calendar.session(monday)
        if known is None or known[0]:
            return False
        monday -= week
    return True
