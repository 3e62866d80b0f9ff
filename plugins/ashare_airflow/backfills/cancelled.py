"""Unpauses backfills cancelled in Airflow's UI or API, so that their runs start when they are cleared."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING

from ashare_airflow.backfills import PARTITIONS

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger(__name__)

_ROUTES = (
    ("PUT", re.compile(r"/api/v2/backfills/\d+/cancel$")),
    # Clear requests: for backfills cancelled before this middleware was installed.
    ("POST", re.compile(rf"/api/v2/dags/(?:{'|'.join(PARTITIONS)})/(?:clear\w+|dagRuns/[^/]+/clear)$")),
)


class CancelledBackfills:
    """ASGI middleware: unpauses cancelled backfills after Airflow has cancelled a backfill or cleared a run."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not any(
            scope["method"] == method and path.search(scope["path"]) for method, path in _ROUTES
        ):
            await self._app(scope, receive, send)
            return
        has_succeeded = False

        async def send_and_note_status(message: Message) -> None:
            nonlocal has_succeeded
            has_succeeded = has_succeeded or message.get("status", 500) < 300
            await send(message)

        await self._app(scope, receive, send_and_note_status)
        if has_succeeded:
            import asyncio

            await asyncio.to_thread(_release)


def _release() -> None:
    from airflow.utils.session import create_session
    from sqlalchemy.exc import SQLAlchemyError

    from ashare_airflow.backfills.state import release_cancelled

    try:
        with create_session() as session:
            release_cancelled(session)
    except SQLAlchemyError as error:  # the next backfill from page or command line retries
        log.warning("Cancelled backfills could not be released (%s).", type(error).__name__)


CANCELLED = {"middleware": CancelledBackfills, "name": "A-share cancelled backfills"}
