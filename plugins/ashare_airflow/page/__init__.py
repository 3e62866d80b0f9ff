"""The sync-status page and its API, under the prefix `/ashare` of the API server.

Every Airflow process that loads plugins registers the app. Only the API server builds it, at the first request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fastapi import FastAPI

PREFIX = "/ashare"


class LazyApp:
    """ASGI app that builds the page's app at the first request: schedulers and tasks do not import FastAPI."""

    def __init__(self) -> None:
        self._app: FastAPI | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if self._app is None:
            from ashare_airflow.page.app import create_app

            self._app = create_app()
        await self._app(scope, receive, send)


FASTAPI_APP = {"app": LazyApp(), "url_prefix": PREFIX, "name": "A-share sync"}

# Relative addresses: Airflow's UI may have a base path.
_VIEW = {"href": "ashare/", "icon": "ashare/static/icon.svg"}
# viewer.js knows both names, and shows them in the viewer's language.
EXTERNAL_VIEWS = [
    {**_VIEW, "name": "A-share", "url_route": "ashare", "destination": "nav", "nav_top_level": True},
    {**_VIEW, "name": "Sync status", "url_route": "ashare-status", "destination": "dag"},
]
# The name is the global under which viewer.js sets its component.
REACT_APPS = [{"name": "A-share viewer", "bundle_url": "ashare/viewer.js", "destination": "base"}]
