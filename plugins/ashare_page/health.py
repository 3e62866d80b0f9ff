"""For an uptime monitor outside of Airflow: the one route without a user. It says one word."""

from __future__ import annotations

import threading
import time
from typing import Literal

from fastapi import APIRouter, Response, status
from sqlalchemy.exc import SQLAlchemyError

from ashare_page.models import Health
from include.ashare import airflow_bridge
from include.ashare.errors import AshareError
from include.ashare.status import status_reader

Word = Literal["healthy", "stale", "unavailable"]

KEPT_SECONDS = 5.0
WAIT_SECONDS = 2.0

router = APIRouter()


class _Look:
    """Everybody may ask: however many do, one of them looks at the database, and what it saw is kept for a moment."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._word: Word = "unavailable"
        self._until = 0.0

    def word(self) -> Word:
        """How the data are; while a look takes long, how they were at the last one."""
        if time.monotonic() >= self._until and self._lock.acquire(timeout=WAIT_SECONDS):
            try:
                if time.monotonic() >= self._until:
                    self._word = _look()
                    self._until = time.monotonic() + KEPT_SECONDS
            finally:
                self._lock.release()
        return self._word


def _look() -> Word:
    try:
        with status_reader(airflow_bridge.store()) as reader:
            lag, allowed = reader.bounds().lag, reader.settings.max_lag
    except (AshareError, SQLAlchemyError):
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
