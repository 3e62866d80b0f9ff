"""Adapters for values sent to PostgreSQL: any text from outside becomes storable."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any

from ashare.texts import storable

if TYPE_CHECKING:
    import psycopg


def make_texts_storable(connection: psycopg.Connection[Any]) -> None:
    """Pass every text and JSON value that this connection sends through ``texts.storable``."""
    from psycopg.types.json import set_json_dumps

    connection.adapters.register_dumper(str, _text_dumper())
    set_json_dumps(_dumps, connection)


@cache
def _text_dumper() -> Any:
    from psycopg.types.string import StrDumperUnknown

    class TextDumper(StrDumperUnknown):
        def dump(self, obj: str) -> Any:
            return super().dump(storable(obj))

    return TextDumper


def _dumps(value: Any) -> str:
    return json.dumps(_storable(value))


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, dict):
        return {storable(str(name)): _storable(part) for name, part in value.items()}
    return [_storable(part) for part in value] if isinstance(value, (list, tuple)) else value
