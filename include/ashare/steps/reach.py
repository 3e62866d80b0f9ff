"""Whether Baostock can be reached, through the same gate as everything else; no message is sent."""

from __future__ import annotations

from include.ashare.errors import SourceBusy
from include.ashare.source import Session, SourceConfig
from include.ashare.store import SourceGate, Store

WAIT_SECONDS = 5.0


def check_source(store: Store, source: SourceConfig, *, who: str) -> None:
    """Connect and close again.

    :raises SourceUnreachable: no connection within the time limit.
    """
    try:
        Session(source, SourceGate(store.connect, who=who, wait_seconds=WAIT_SECONDS)).check_reachable()
    except SourceBusy:
        return  # somebody is connected to it right now
