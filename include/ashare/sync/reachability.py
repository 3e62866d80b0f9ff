"""Whether Baostock can be reached. The check passes the same gate as every request, and sends no message."""

from __future__ import annotations

from ashare.errors import SourceBusy
from ashare.settings import Settings
from ashare.source import Session, SourceConfig
from ashare.store import SourceGate, Store

WAIT_SECONDS = 5.0


def check_source(store: Store, source: SourceConfig, *, who: str) -> None:
    """Open a connection to Baostock and close it again.

    :raises SourceUnreachable: no connection within the time limit.
    :raises SourceBanned: Baostock has blacklisted this address; no connection was opened.
    """
    store.migrate()
    gate = SourceGate(store.connect, who=who, wait_seconds=WAIT_SECONDS, budget=Settings().request_budget)
    try:
        Session(source, gate).check_reachable()
    except SourceBusy:
        return  # another session is connected to Baostock right now
