"""For an uptime monitor outside of Airflow: the one route without a user. It says one word."""

from __future__ import annotations

import threading
import time
from typing import Literal

from fastapi import APIRouter, Response, status

from ashare.status import status_reader
from ashare_airflow import connections
from ashare_airflow.page.models.reply import Health

Word = Literal["healthy", "stale", "unavailable"]

KEPT_SECONDS = 5.0
FIRST_SECONDS = 2.0
"""To wait for the first look of all; later ones nobody waits for, or the API server's threads would all do."""
TRUSTED_SECONDS = 30.0
"""For so long what was seen is said while a new look hangs."""

router = APIRouter()


class _Look:
    """Everybody may ask: however many do, one of them looks at the database, and what it saw is kept for a moment."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._word: Word = "unavailable"
        self._until = 0.0

    def word(self) -> Word:
        """How the data are; while a look takes long, how they were at the last one."""
        wait = 0.0 if self._until else FIRST_SECONDS
        if time.monotonic() >= self._until and self._lock.acquire(timeout=wait):
            try:
                if time.monotonic() >= self._until:
                    self._word = _look()
                    self._until = time.monotonic() + KEPT_SECONDS
            finally:
                self._lock.release()
        return self._word if time.monotonic() < self._until + TRUSTED_SECONDS else "unavailable"


def _look() -> Word:
    try:
        with status_reader(connections.store()) as reader:
            lag, allowed = reader.bounds().lag, reader.settings.max_lag
    except Exception:  # noqa: BLE001  (whatever it is, a monitor is told)
        return "unavailable"
    return "healthy" if lag is not None and lag <= allowed else "stale"


look = _Look()


@router.head("/health", include_in_schema=False)
@router.get("/health", responses={status.HTTP_503_SERVICE_UNAVAILABLE: {"model": Health}})
def health(response: Response) -> Health:
    """healthy: the newest complete trade date is as new as ASHARE_MAX_LAG allows. Else 503: stale, or unavailable."""
    word = look.word()
    response.headers["Cache-Control"] = "no-store"
    if word != "healthy":
        response.status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    return Health(status=word)
