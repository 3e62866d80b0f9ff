"""Errors as replies: one sentence each, with the matching HTTP status code."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import Any, Literal

from fastapi import FastAPI, Request, Response, status
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException

from ashare.errors import AshareError, InvalidInput
from ashare.messages import in_chinese
from ashare_airflow.backfills.refusals import NoScheduler, Refused, WrongUsage
from ashare_airflow.page.models.reply import Problem


class NotFound(Exception):
    """The requested object does not exist. The text says which."""


# The nearest base class of an error decides its code.
CODES: dict[type[Exception], int] = {
    InvalidInput: status.HTTP_400_BAD_REQUEST,
    WrongUsage: status.HTTP_400_BAD_REQUEST,
    NotFound: status.HTTP_404_NOT_FOUND,
    Refused: status.HTTP_409_CONFLICT,
    NoScheduler: status.HTTP_503_SERVICE_UNAVAILABLE,
    AshareError: status.HTTP_503_SERVICE_UNAVAILABLE,
}
SIGN_IN = "Sign in to Airflow to see this page."
RESPONSES: dict[int | str, dict[str, Any]] = {
    code: {"model": Problem}
    for code in (
        status.HTTP_400_BAD_REQUEST,
        status.HTTP_401_UNAUTHORIZED,
        status.HTTP_403_FORBIDDEN,
        status.HTTP_404_NOT_FOUND,
        status.HTTP_409_CONFLICT,
        status.HTTP_422_UNPROCESSABLE_CONTENT,
        status.HTTP_503_SERVICE_UNAVAILABLE,
    )
}


def error_reply(code: int, message: str) -> JSONResponse:
    """The JSON reply of an error."""
    kind: Literal["error", "not_found"] = "not_found" if code == status.HTTP_404_NOT_FOUND else "error"
    return JSONResponse(Problem(status=kind, message=message, detail=message).model_dump(), code)


def add_handlers(app: FastAPI) -> None:
    """Register this module's replies as an app's exception handlers."""

    @app.exception_handler(HTTPException)
    async def refused_by_airflow(request: Request, error: HTTPException) -> Response:
        return _page_or_reply(request, error.status_code, str(error.detail))

    @app.exception_handler(RequestValidationError)
    async def malformed(_: Request, error: RequestValidationError) -> Response:
        return error_reply(status.HTTP_422_UNPROCESSABLE_CONTENT, "; ".join(map(_sentence, error.errors())) + ".")

    for kind, code in CODES.items():
        app.add_exception_handler(kind, _handler(code))

    @app.exception_handler(SQLAlchemyError)
    async def no_airflow_database(_: Request, error: SQLAlchemyError) -> Response:
        # The driver's text may hold parts of the connection URI.
        text = f"Airflow's own database cannot be read ({type(error).__name__}): check that it runs."
        return error_reply(status.HTTP_503_SERVICE_UNAVAILABLE, text)


def _handler(code: int) -> Callable[[Request, Exception], Response]:
    return lambda _, error: error_reply(code, str(error))


def _sentence(error: dict[str, Any]) -> str:
    where = ".".join(str(part) for part in error["loc"] if part not in ("query", "path", "body"))
    return f"{where}: {error['msg']}" if where else str(error["msg"])


def _page_or_reply(request: Request, code: int, detail: str) -> Response:
    """HTML for a browser that opens the page, JSON for other clients."""
    if "text/html" not in request.headers.get("accept", ""):
        return error_reply(code, detail)
    text = SIGN_IN if code == status.HTTP_401_UNAUTHORIZED else f"{detail.removesuffix('.')}."
    language, title = "en", "A-share sync"
    if request.headers.get("accept-language", "").startswith("zh"):
        language, title, text = "zh-CN", "A 股同步", in_chinese(text)
    body = f'<p>{escape(text)} <a href="../">Airflow</a></p>'
    return HTMLResponse(f'<!doctype html><html lang="{language}"><title>{title}</title>{body}', code)
