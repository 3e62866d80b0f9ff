"""The page's app: routes, static files, and the headers of every response."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from airflow.api_fastapi.core_api.security import GetUserDep
from fastapi import FastAPI, Request, Response
from fastapi.staticfiles import StaticFiles

from ashare_airflow.page import details, error_replies, health, history_routes, sync_status
from ashare_airflow.page.access import MAY_READ

API = "/api/v1/sync-status"
STATIC = Path(__file__).parent / "static"

HEADERS = {
    # Nothing loads from another host, and no other site frames the page. The charts' tooltips need inline styles.
    "Content-Security-Policy": "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; "
    "script-src 'self'; connect-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}


def create_app() -> FastAPI:
    """The app that the API server mounts under ``/ashare``."""
    # FastAPI's own documentation pages load scripts from other hosts, and check no user.
    app = FastAPI(
        title="A-share sync",
        version="1",
        description="How complete the trade dates are, and syncs of what is not.",
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
    )
    error_replies.add_handlers(app)
    app.middleware("http")(_with_headers)
    routers = (
        *(sync_status.read_router, sync_status.start_router, sync_status.batch_router),
        *(history_routes.read_router, history_routes.start_router, details.router),
    )
    for router in routers:
        app.include_router(router, prefix=API, responses=error_replies.RESPONSES)
    app.include_router(health.router)
    app.include_router(health.router, prefix=API, include_in_schema=False)
    _add_page(app)
    return app


def _add_page(app: FastAPI) -> None:
    files = StaticFiles(directory=STATIC)

    @app.get("/openapi.json", dependencies=[MAY_READ], include_in_schema=False)
    def openapi(request: Request) -> dict[str, Any]:
        return {**app.openapi(), "servers": [{"url": request.scope.get("root_path", "")}]}

    @app.get("/", dependencies=[MAY_READ], include_in_schema=False)
    async def page(request: Request) -> Response:
        return await files.get_response("index.html", request.scope)

    @app.get("/viewer.js", include_in_schema=False)
    async def viewer(request: Request, _: GetUserDep) -> Response:
        """Each page of Airflow loads this file: every signed-in user may read it, even without this DAG."""
        return await files.get_response("viewer.js", request.scope)

    @app.get("/static/{path:path}", dependencies=[MAY_READ], include_in_schema=False)
    async def static(path: str, request: Request) -> Response:
        return await files.get_response(path, request.scope)


async def _with_headers(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    response = await call_next(request)
    response.headers.update(HEADERS)
    # A vendored file's name contains its version. Other files may change with an update of the package.
    is_vendored = "/static/vendor/" in request.url.path and response.status_code < 400
    cache = "private, max-age=31536000, immutable" if is_vendored else "private, no-cache"
    response.headers.setdefault("Cache-Control", cache)
    return response
