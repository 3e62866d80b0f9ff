"""The health route for an uptime monitor outside of Airflow: the only route without a user."""

from __future__ import annotations

import threading
import time

from fastapi import APIRouter, Response, status

from ashare.status import status_reader
from ashare_airflow.connections import lent_store
from ashare_airflow.page.models.reply import Health

UNAVAILABLE = Health(status="unavailable")
KEPT_SECONDS = 5.0
FIRST_SECONDS = 2.0
"""How long a request waits for another request's first reading.

No request waits for another's later reading: otherwise a slow database would block all threads of the API server.
"""
TRUSTED_SECONDS = 30.0
"""How long the last status is still returned while a new reading hangs."""

router = APIRouter()


class CachedHealth:
    """A cache of the status: of many concurrent requests only one reads the database."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._health = UNAVAILABLE
        self._until = 0.0

    def health(self) -> Health:
        """The health of the data. While another request reads the database, the last one that was read."""
        wait = 0.0 if self._until else FIRST_SECONDS
        if time.monotonic() >= self._until and self._lock.acquire(timeout=wait):
            try:
                if time.monotonic() >= self._until:
                    self._health = read_health()
                    self._until = time.monotonic() + KEPT_SECONDS
            finally:
                self._lock.release()
        return self._health if time.monotonic() < self._until + TRUSTED_SECONDS else UNAVAILABLE


def read_health() -> Health:
    """The health by the lag of the newest complete trade date and by open sessions, read from the database."""
    try:
        with lent_store() as store, status_reader(store) as reader:
            lag, open_sessions = reader.bounds().lag, reader.overdue_sessions()
            is_new = lag is not None and lag <= reader.settings.max_lag
    except Exception:  # noqa: BLE001  (whatever it is, a monitor is told)
        return UNAVAILABLE
    return Health(status="healthy" if is_new and not open_sessions else "stale", open_sessions=open_sessions or None)


cached_health = CachedHealth()


@router.head("/health", include_in_schema=False)
@router.get(
    "/health", response_model_exclude_none=True, responses={status.HTTP_503_SERVICE_UNAVAILABLE: {"model": Health}}
)
def health(response: Response) -> Health:
    """healthy: the newest complete trade date is as new as ASHARE_MAX_LAG allows, and among the last
    ASHARE_HEAL_SESSIONS sessions no earlier one is open. Else 503: stale, with the open sessions, or unavailable.
    """
    found = cached_health.health()
    response.headers["Cache-Control"] = "no-store"
    if found.status != "healthy":
        response.status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    return found
