"""Whether Baostock can be reached, through the same gate as everything else; no message is sent."""

from __future__ import annotations

from ashare.errors import SourceBusy
from ashare.settings import Settings
from ashare.source import Session, SourceConfig
from ashare.store import SourceGate, Store

WAIT_SECONDS = 5.0


def check_source(store: Store, source: SourceConfig, *, who: str) -> None:
    """Connect and close again.

    :raises SourceUnreachable: no connection within the time limit.
    :raises SourceBanned: Baostock has blacklisted this address; not even a connection was made.
    """
    store.migrate()
    gate = SourceGate(store.connect, who=who, wait_seconds=WAIT_SECONDS, budget=Settings().request_budget)
    try:
        Session(source, gate).check_reachable()
    except SourceBusy:
        return  # somebody is connected to it right now
