"""Whether a trade date's bars are out: the sensor and the load judge the same reply by the same rule.

Baostock may publish a day's bars late, or a part of them first. On the evening of the date, an empty or partial
reply is no fault: the run polls with backoff until ``GIVE_UP``. On a later day, the same reply is a fault.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from ashare.datasets import BARS_ARE_FINAL, MARKET_DAY_FROM, PLURALS
from ashare.errors import AshareError, BadReply, NotPublishedYet, TerminalError
from ashare.source import Session, Table
from ashare.sync.run import FEW, GIVE_UP, Run

MOST_LACKING = 500
"""A whole-market reply that lacks more codes than this is not the whole market."""

SAMPLE = 3
"""Number of securities to request one by one when requesting all of them may be in vain."""


@dataclass(frozen=True)
class PollPace:
    """Backoff of polling.

    :ivar first: the first pause, in units of ``ASHARE_POLL_SECONDS``.
    :ivar growth: factor from one pause to the next.
    :ivar longest: upper limit of a pause.
    """

    first: int
    growth: int
    longest: timedelta

    def pause(self, looks: int, poll_seconds: float) -> timedelta:
        """The pause after the poll number ``looks`` (from 1)."""
        # The exponent is limited: after many polls the power would overflow a timedelta.
        seconds = self.first * poll_seconds * self.growth ** min(looks - 1, 12)
        return min(timedelta(seconds=seconds), self.longest)


PUBLICATION = PollPace(1, 2, timedelta(minutes=30))
"""For a day whose bars are not out, or only in part."""
LATE_CODES = PollPace(4, 4, timedelta(hours=2))
"""For the last codes of a day: a poll costs a session, and few of them come before the end of the evening."""


def not_yet(
    run: Run, waits_for: str, reason: str, pace: PollPace = PUBLICATION, final: time = BARS_ARE_FINAL
) -> AshareError:
    """The error for data that are not out today. Counts the poll.

    :param waits_for: name of the awaited data; the polls of an evening are counted by name.
    :param final: time from which the data are final, so that an absence can be believed.
    :returns: ``NotPublishedYet`` with the time of the next poll; from ``GIVE_UP`` on, ``TerminalError``.
    """
    if not run.is_today_before(GIVE_UP):
        return TerminalError(
            f"Baostock has not published {run.day} by {GIVE_UP:%H:%M} ({reason}): run the date again tomorrow "
            f"(airflow dags backfill -s {run.day} -e {run.day} ashare_daily --rerun-failed-tasks)."
        )
    return NotPublishedYet(f"{run.day}: {reason}.", next_poll_at(run, waits_for, pace, final))


def next_poll_at(run: Run, waits_for: str, pace: PollPace, final: time) -> datetime:
    """Count this poll, and return the time of the next one."""
    now = run.now()
    pause = pace.pause(run.store.work.count_poll(run.day, waits_for), run.settings.poll_seconds)
    moments = (datetime.combine(run.day, moment, now.tzinfo) for moment in (final, GIVE_UP))
    decisive = min(moment for moment in moments if moment > now)
    # A poll shortly before the decisive moment is wasted.
    return decisive if decisive - now < 2 * pause else now + pause


def sample_of(codes: Sequence[str]) -> Sequence[str]:
    """Up to ``SAMPLE`` codes, spread over the list: all late codes may be of one exchange."""
    return codes[:: max(len(codes) // SAMPLE, 1)][:SAMPLE]


def judge_market(run: Run, kind: str, wanted: Sequence[str], table: Table) -> list[str]:
    """The wanted codes that a whole-market reply lacks.

    :raises NotPublishedYet: today's reply is empty, lacks more than ``MOST_LACKING`` wanted codes, or holds less
        than half of the listed securities.
    :raises TerminalError: the same, from ``GIVE_UP`` on.
    :raises BadReply: an earlier day's reply is empty, or lacks more than ``MOST_LACKING`` wanted codes.
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
    """Check whether the trade date's bars are out, by the rule of its load.

    :raises NotPublishedYet: the bars are not out yet.
    :raises TerminalError: the bars are not out at ``GIVE_UP``.
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
