"""Whether Baostock answers: one login and one logout, through the same gate as everything else."""

from __future__ import annotations

from include.ashare.errors import SourceBusy
from include.ashare.source import Session, SourceConfig
from include.ashare.store import SourceGate, Store

WAIT_SECONDS = 5.0


def check_source(store: Store, source: SourceConfig, *, who: str) -> None:
    """Log in and out.

    :raises SourceUnreachable: no connection within the time limits.
    :raises SourceRefused: Baostock does not let us in.
    """
    try:
        with Session(source, SourceGate(store.connect, who=who, wait_seconds=WAIT_SECONDS)):
            pass
    except SourceBusy:
        return  # somebody is connected to it right now
