"""Airflow's connections as the environment variables ``AIRFLOW_CONN_*`` hold them, read without Airflow."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from ashare.errors import InvalidInput

STORE_CONNECTION = "ashare_postgres"
SOURCE_CONNECTION = "baostock"
ALERTS_CONNECTION = "ashare_alerts"


@dataclass(frozen=True, repr=False)
class ConnectionFields:
    """The fields of an Airflow connection. They hold secrets, so there is no representation of them.

    :ivar scheme: of a URI; empty where the connection was given as JSON.
    :ivar extra: driver options and keys, by name.
    """

    scheme: str = ""
    host: str = ""
    port: int | None = None
    login: str = ""
    password: str = ""
    schema: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)


def variable_of(connection_id: str) -> str:
    """The environment variable of an Airflow connection."""
    return f"AIRFLOW_CONN_{connection_id.upper()}"


def read_connection(connection_id: str) -> ConnectionFields | None:
    """The connection that the environment holds; ``None`` if it holds none of that id.

    :raises InvalidInput: the variable is neither Airflow's JSON nor a URI.
    """
    name = variable_of(connection_id)
    text = os.environ.get(name, "").strip()
    return parse_connection(name, text) if text else None


def parse_connection(name: str, text: str) -> ConnectionFields:
    """The fields of a connection in Airflow's JSON form or as a URI.

    :param name: the variable that ``text`` came from, for the error's text.
    :raises InvalidInput: it is neither; the text never holds what was given.
    """
    return _from_json(name, text) if text.lstrip().startswith("{") else _from_uri(name, text)


def _from_json(name: str, text: str) -> ConnectionFields:
    try:
        given = json.loads(text)
        extra = given.get("extra") or {}
        extra = json.loads(extra) if isinstance(extra, str) else dict(extra)
        port = given.get("port")
        texts = {key: str(given.get(key) or "") for key in ("host", "login", "password", "schema")}
        return ConnectionFields(port=int(port) if port not in (None, "") else None, extra=extra, **texts)
    except (ValueError, TypeError, AttributeError):
        raise InvalidInput(f"{name} is not valid JSON: write it as Airflow's connection JSON or as a URI.") from None


def _from_uri(name: str, text: str) -> ConnectionFields:
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        url = make_url(text)
        given = {key: value if isinstance(value, str) else value[-1] for key, value in url.query.items()}
        extra = {**dict(json.loads(given.pop("__extra__", "{}"))), **given}
        if "@" in (url.host or ""):  # the rest of a password with an @
            raise ValueError
    except (ArgumentError, ValueError, TypeError):
        raise InvalidInput(
            f"{name} is not well-formed: write it as Airflow's connection JSON, or as a URI, "
            "scheme://user:password@host:port/database, with @, /, : and % in the password as %40, %2F, %3A and %25."
        ) from None
    return ConnectionFields(
        scheme=url.drivername,
        # Airflow quotes a socket's directory, SQLAlchemy leaves the host and the database as they are written.
        host=unquote(url.host or ""),
        port=url.port,
        login=url.username or "",
        password=str(url.password or ""),
        schema=unquote(url.database or ""),
        extra=extra,
    )
