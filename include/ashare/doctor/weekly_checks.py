"""The doctor's check of the weekly lists: members of indices, industries and names."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from ashare.datasets import WEEKLY_DATASETS, newest_week
from ashare.doctor.finding import BAD, NAMED, OK, CheckedSystem, Finding
from ashare.sync.agenda import DEAD_AFTER_HOURS
from ashare.texts import backfill_command, named

NAME = "weeks"
LOOKED_OVER = timedelta(weeks=52)


def weekly_lists(system: CheckedSystem) -> Iterator[Finding]:
    """Weeks of the last year, since the first that was loaded, that are not complete; no finding without any."""
    newest, store = newest_week(system.now()), system.store
    live = store.coverage.live_runs(DEAD_AFTER_HOURS)
    states = store.weekly_lists.states(tuple(WEEKLY_DATASETS), newest - LOOKED_OVER, newest, newest, running=live)
    failed = [state for state in states if state.state in ("partial", "missing", "failed")]
    complete = [state for state in states if state.state == "complete"]
    if failed:
        weeks = sorted({state.week for state in failed})
        reason = next((state.reason for state in reversed(failed) if state.reason), "no run has taken them up")
        again = backfill_command(weeks[0], weeks[-1], "--rerun-failed-tasks", dag_id="ashare_reference")
        text = f"{len(weeks)} weeks are not complete ({named(weeks, NAMED)}): {reason.rstrip('.')}. Run: {again}"
        yield Finding(NAME, BAD, text)
    elif complete:
        last = max(state.week for state in complete)
        rows = ", ".join(
            f"{state.loaded} {WEEKLY_DATASETS[state.dataset].plural}" for state in complete if state.week == last
        )
        yield Finding(NAME, OK, f"complete up to the week {last}: {rows}.")
