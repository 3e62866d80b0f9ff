"""Reads Airflow connections from the environment variables ``AIRFLOW_CONN_*``, without Airflow."""

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
    """The fields of an Airflow connection. They hold secrets, so ``repr`` does not show them.

    :ivar scheme: the URI's scheme; empty for a connection in JSON form.
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
    """Name of the environment variable of an Airflow connection."""
    return f"AIRFLOW_CONN_{connection_id.upper()}"


def read_connection(connection_id: str) -> ConnectionFields | None:
    """Read a connection from its environment variable; ``None`` if the variable is unset or blank.

    :raises InvalidInput: the variable's value is neither Airflow's JSON nor a URI.
    """
    name = variable_of(connection_id)
    text = os.environ.get(name, "").strip()
    return parse_connection(name, text) if text else None


def parse_connection(name: str, text: str) -> ConnectionFields:
    """Parse a connection in Airflow's JSON or URI form.

    :param name: the environment variable that holds ``text``, for the error message.
    :raises InvalidInput: ``text`` is neither. The message never quotes ``text``, which holds secrets.
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
        if "@" in (url.host or ""):  # the tail of a password with an unquoted @
            raise ValueError
    except (ArgumentError, ValueError, TypeError):
        raise InvalidInput(
            f"{name} is not well-formed: write it as Airflow's connection JSON, or as a URI, "
            "scheme://user:password@host:port/database, with @, /, : and % in the password as %40, %2F, %3A and %25."
        ) from None
    return ConnectionFields(
        scheme=url.drivername,
        # Airflow percent-encodes the directory of a socket; SQLAlchemy does not decode the host and the database.
        host=unquote(url.host or ""),
        port=url.port,
        login=url.username or "",
        password=str(url.password or ""),
        schema=unquote(url.database or ""),
        extra=extra,
    )
