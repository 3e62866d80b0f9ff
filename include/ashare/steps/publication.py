"""Whether a trade date's bars are out: the sensor and the load judge by the same reply, in the same way.

Baostock publishes a day late, or a part of it first. On the evening of the date that is no fault: the run looks again
after growing pauses, until ``GIVE_UP``. On any later day it is one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from ashare.errors import AshareError, BadReply, NotPublishedYet, TerminalError
from ashare.source import Session, Table
from ashare.steps.run import (
    BARS_ARE_FINAL,
    FEW,
    GIVE_UP,
    MARKET_DAY_FROM,
    PLURALS,
    Run,
)

MOST_LACKING = 500
"""A whole-market reply that lacks more codes than this is not the whole market."""

SAMPLE = 3
"""How many securities are asked for one by one, where asking for all of them may be in vain."""


@dataclass(frozen=True)
class PollPace:
    """The pauses between two looks: ``first`` times ``ASHARE_POLL_SECONDS``, then ``growth`` times as long each."""

    first: int
    growth: int
    longest: timedelta

    def pause(self, looks: int, poll_seconds: float) -> timedelta:
        """The pause after so many looks."""
        # A power of a large number of looks has more digits than a timedelta takes.
        seconds = self.first * poll_seconds * self.growth ** min(looks - 1, 12)
        return min(timedelta(seconds=seconds), self.longest)


PUBLICATION = PollPace(1, 2, timedelta(minutes=30))
"""For a day of which nothing, or only a part, is out."""
LATE_CODES = PollPace(4, 4, timedelta(hours=2))
"""For the last codes of a day: a look costs a session, and few of them come before the end of the evening."""


def not_yet(
    run: Run, waits_for: str, reason: str, pace: PollPace = PUBLICATION, final: time = BARS_ARE_FINAL
) -> AshareError:
    """The error for what is not out today: the run comes back, until it is too late to.

    :param waits_for: what is looked for, by which the looks of the evening are counted.
    :param final: from when on it is believed that nothing more comes.
    """
    if not run.is_today_before(GIVE_UP):
        return TerminalError(
            f"Baostock has not published {run.day} by {GIVE_UP:%H:%M} ({reason}): run the date again tomorrow "
            f"(airflow dags backfill -s {run.day} -e {run.day} ashare_daily --rerun-failed-tasks)."
        )
    return NotPublishedYet(f"{run.day}: {reason}.", next_poll_at(run, waits_for, pace, final))


def next_poll_at(run: Run, waits_for: str, pace: PollPace, final: time) -> datetime:
    """When to look again; counts this look."""
    now = run.now()
    pause = pace.pause(run.store.statuses.count_poll(run.day, waits_for), run.settings.poll_seconds)
    moments = (datetime.combine(run.day, moment, now.tzinfo) for moment in (final, GIVE_UP))
    decisive = min(moment for moment in moments if moment > now)
    # A look shortly before the decisive moment would be one too many.
    return decisive if decisive - now < 2 * pause else now + pause


def sample_of(codes: Sequence[str]) -> Sequence[str]:
    """A few of the codes, from all over the list: late ones may be of one exchange."""
    return codes[:: max(len(codes) // SAMPLE, 1)][:SAMPLE]


def judge_market(run: Run, kind: str, wanted: Sequence[str], table: Table) -> list[str]:
    """The wanted codes that a whole-market reply lacks.

    :raises NotPublishedYet: too many of them today, or more than half of the market: it is not out.
    :raises TerminalError: the same, when it is too late to look again.
    :raises BadReply: the same, of a day that is over.
    """
    sent = set(table.column("code"))
    lacking = [code for code in wanted if code not in sent]
    is_today = run.day == run.today
    listed = len(run.store.universe.expected(run.expectation, kind)) if is_today else 0
    is_part = 2 * len(sent) < listed
    if table.rows and len(lacking) <= MOST_LACKING and not is_part:
        return lacking
    if is_today:
        found = f"{len(table.rows)} of {listed} {PLURALS[kind]} are out" if table.rows else "no bars are out"
        raise not_yet(run, PLURALS[kind], found)
    if not table.rows:
        raise BadReply(
            f"Baostock has no {PLURALS[kind]} for {run.day}, a trading day: they are not published yet, "
            "or the reply is wrong; nothing was written."
        )
    raise BadReply(
        f"Baostock's reply for {run.day} has {len(table.rows)} {PLURALS[kind]} and lacks "
        f"{len(lacking)} of {len(wanted)} that were expected; nothing was written."
    )


def check_is_out(run: Run, session: Session) -> None:
    """Ask whether the trade date is out, as its load will.

    :raises NotPublishedYet: it is not; :raises TerminalError: it is too late to look again.
    """
    remaining = run.store.universe.remaining(run.expectation)
    kind = next((kind for kind in MARKET_DAY_FROM if kind in run.kinds and run.has_market_call(kind)), None)
    if kind is not None:
        wanted = remaining.get(kind, [])
        if len(wanted) > FEW:
            judge_market(run, kind, wanted, session.market_day(run.day, kind))
        return
    sample = run.store.universe.sample_codes(run.expectation, SAMPLE)
    if sample and not any(session.bars(code, run.day, run.day).rows for code in sample):
        raise not_yet(run, "bars", "no bars are out")
