"""Reads the viewer's time zone, to know the days that the viewer picked in Airflow's own backfill form.

The form sends instants of midnight. Some instants are midnight in two time zones, a day apart: 10:00 UTC is
midnight in Honolulu and in Kiritimati. So `static/viewer.js` saves the viewer's time zone in a cookie.
"""

from __future__ import annotations

import re
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING
from urllib.parse import unquote
from zoneinfo import ZoneInfo

from ashare_airflow.schedule.timetable import VIEWERS_ZONE

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

COOKIE = "ashare_time_zone"

_is_form = re.compile(r"/api/v2/backfills(?:/dry_run)?$").search


class ViewersTimeZone:
    """ASGI middleware: sets ``VIEWERS_ZONE`` for requests that preview or create a backfill."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_form = scope["type"] == "http" and scope["method"] == "POST" and _is_form(scope["path"])
        token = VIEWERS_ZONE.set(_zone(scope) if is_form else None)
        try:
            await self._app(scope, receive, send)
        finally:
            VIEWERS_ZONE.reset(token)


def _zone(scope: Scope) -> ZoneInfo | None:
    given = b"; ".join(value for name, value in scope["headers"] if name == b"cookie").decode("latin-1")
    try:
        found = SimpleCookie(given).get(COOKIE)
        return ZoneInfo(unquote(found.value)) if found else None
    except (CookieError, ValueError, OSError, KeyError):  # not a time zone
        return None


VIEWER = {"middleware": ViewersTimeZone, "name": "A-share viewer's time zone"}
