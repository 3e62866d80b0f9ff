"""For an uptime monitor outside of Airflow: the one route without a user. It says one word."""

from __future__ import annotations

from fastapi import APIRouter, Response, status
from sqlalchemy.exc import SQLAlchemyError

from ashare_page.models import Health
from include.ashare import airflow_bridge
from include.ashare.errors import AshareError
from include.ashare.status import status_reader

router = APIRouter()


@router.get("/health", responses={status.HTTP_503_SERVICE_UNAVAILABLE: {"model": Health}})
def health(response: Response) -> Health:
    """healthy: the newest complete trade date is as new as ASHARE_MAX_LAG allows. Else 503: stale, or unavailable."""
    response.headers["Cache-Control"] = "no-store"
    try:
        with status_reader(airflow_bridge.store()) as reader:
            lag, allowed = reader.bounds().lag, reader.settings.max_lag
    except (AshareError, SQLAlchemyError):
        response.status_code = status.HTTP_503_SERVICE_UNAVAILABLE
        return Health(status="unavailable")
    if lag is None or lag > allowed:
        response.status_code = status.HTTP_503_SERVICE_UNAVAILABLE
        return Health(status="stale")
    return Health(status="healthy")
