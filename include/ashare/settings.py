"""Settings from ``ASHARE_*`` environment variables; docs/settings.md lists them."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from datetime import date, time
from functools import lru_cache
from typing import Annotated, Any

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from ashare.connection import is_conninfo
from ashare.datasets import KINDS
from ashare.dates import FIRST_TRADE_DATE, beijing_now, parse_trade_date
from ashare.errors import InvalidInput

# Widely followed indices, each in Baostock's list of securities. The list has no STAR 50 (sh.000688).
DEFAULT_INDICES = (
    "sh.000001",  # SSE Composite 上证综指
    "sh.000016",  # SSE 50 上证50
    "sh.000300",  # CSI 300 沪深300
    "sh.000852",  # CSI 1000 中证1000
    "sh.000905",  # CSI 500 中证500
    "sh.000906",  # CSI 800 中证800
    "sz.399001",  # SZSE Component 深证成指
    "sz.399005",  # SZSE SME 100 中小100
    "sz.399006",  # ChiNext 创业板指
    "sz.399106",  # SZSE Composite 深证综指
    "sz.399330",  # SZSE 100 深证100
)

DEFAULT_KINDS = ("stock", "index")

LANGUAGES = ("en", "zh")
"""The languages of alerts; the default comes first."""

POOL = "baostock"
"""Airflow's pool in front of the one connection to Baostock: bounds how many tasks wait for the connection."""
POOL_SLOTS = 8

SERVICE_LIMIT = 50_000
"""Requests per day and address after which Baostock bans the address; the maximum of the request budget."""

_PREFIX = "ASHARE_"
LAKE_VARIABLE = f"{_PREFIX}LAKE"

Seconds = Annotated[float, Field(ge=1)]
Count = Annotated[int, Field(ge=0)]
Requests = Annotated[int, Field(ge=0, le=SERVICE_LIMIT)]

_is_url = re.compile(r"[a-z][a-z0-9+.-]+://.").match
_is_index = re.compile(r"(sh|sz)\.\d{6}").fullmatch
_is_time_of_day = re.compile(r"([01]?\d|2[0-3]):[0-5]\d").fullmatch


class Settings(BaseSettings):
    """All settings. A new instance reads the environment: field ``max_lag`` is the variable ``ASHARE_MAX_LAG``.

    :raises InvalidInput: values are invalid; the text has one sentence per invalid value.
    """

    model_config = SettingsConfigDict(env_prefix=_PREFIX, frozen=True, allow_inf_nan=False)

    connect_timeout: Seconds = 10.0
    idle_timeout: Seconds = 90.0
    reply_timeout: Seconds = 300.0
    lock_timeout: Seconds = 3600.0
    poll_seconds: Seconds = 300.0
    request_budget: Annotated[int, Field(ge=1, le=SERVICE_LIMIT)] = 40_000
    session_requests: Requests = 0
    history_reserve: Requests = 1_000
    retries: Count = 3
    retry_seconds: Seconds = 60.0
    max_absent: Count = 100
    max_deviating: Count = 15
    max_rejected: Count = 20
    recheck_days: Count = 5
    heal_sessions: Count = 20
    max_lag: Count = 1
    deadline: time = time(21)
    language: str = LANGUAGES[0]
    first_date: date | None = None
    kinds: Annotated[tuple[str, ...], NoDecode] = DEFAULT_KINDS
    indices: Annotated[tuple[str, ...], NoDecode] = DEFAULT_INDICES
    lake: str | None = None
    lake_qlib: str | None = None

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise InvalidInput("\n".join(map(_sentence, error.errors()))) from None

    @property
    def reserve(self) -> int:
        """Requests of a day that are reserved for the newest trade date: at most half of the budget."""
        return min(self.history_reserve, self.request_budget // 2)

    @model_validator(mode="before")
    @classmethod
    def _without_blanks(cls, values: dict[str, Any]) -> dict[str, Any]:
        stripped = {name: value.strip() if isinstance(value, str) else value for name, value in values.items()}
        return {name: value for name, value in stripped.items() if value != ""}

    @field_validator("deadline", mode="before")
    @classmethod
    def _hour_and_minute(cls, value: time | str) -> time:
        if isinstance(value, time):
            return value
        if not _is_time_of_day(value):
            raise ValueError(f"is {value!r}: it must be a time of day, Beijing's, for example 20:30")
        hour, minute = value.split(":")
        return time(int(hour), int(minute))

    @field_validator("language", mode="before")
    @classmethod
    def _language(cls, value: object) -> str:
        if value not in LANGUAGES:
            raise ValueError(f"is {value!r}: it must be en (English) or zh (Chinese)")
        return str(value)

    @field_validator("first_date", mode="before")
    @classmethod
    def _trade_date(cls, value: object) -> date | None:
        if value is None:
            return None
        today = beijing_now().date()
        try:
            return parse_trade_date(value if type(value) is date else str(value), today=today)
        except InvalidInput:
            raise ValueError(
                f"is {str(value)!r}: it must be a date from {FIRST_TRADE_DATE} to {today} (today in Beijing), "
                "written as YYYY-MM-DD"
            ) from None

    @field_validator("kinds", mode="before")
    @classmethod
    def _kinds(cls, value: Sequence[str] | str) -> tuple[str, ...]:
        kinds = _items(value)
        if wrong := [kind for kind in kinds if kind not in KINDS]:
            raise ValueError(
                f"holds {', '.join(map(repr, wrong))}: write a list of {', '.join(KINDS)}, for example "
                f"{','.join(KINDS)}"
            )
        return tuple(kind for kind in KINDS if kind in kinds) or DEFAULT_KINDS

    @field_validator("lake", mode="before")
    @classmethod
    def _lake(cls, value: object) -> str | None:
        if value is None:
            return None
        name = str(value).strip().rstrip("/") or "/"
        if is_conninfo(name):
            raise ValueError("is a connection: it must be an absolute path, or a URL such as s3://bucket/lake")
        if name == "/" or not (name.startswith(("/", "~/")) or _is_url(name)):
            raise ValueError(f"is {str(value)!r}: it must be an absolute path, or a URL such as s3://bucket/lake")
        return name

    @field_validator("lake_qlib", mode="before")
    @classmethod
    def _lake_qlib(cls, value: object) -> str | None:
        if value is not None and not str(value).startswith(("/", "~/")):
            raise ValueError(f"is {str(value)!r}: it must be an absolute path")
        return None if value is None else str(value)

    @field_validator("indices", mode="before")
    @classmethod
    def _codes(cls, value: Sequence[str] | str) -> tuple[str, ...]:
        codes = _items(value)
        if wrong := [code for code in codes if not _is_index(code)]:
            raise ValueError(
                f"holds {', '.join(map(repr, wrong))}: write each index with its exchange, for example "
                "sh.000001,sz.399001; sz.000001 would be a stock"
            )
        return codes or DEFAULT_INDICES


def current_settings() -> Settings:
    """The settings. The environment is read again only if a variable has changed: that takes some milliseconds.

    :raises InvalidInput: values are invalid.
    """
    return _settings_of(frozenset(item for item in os.environ.items() if item[0].upper().startswith(_PREFIX)))


@lru_cache(maxsize=1)
def _settings_of(_: frozenset[tuple[str, str]]) -> Settings:
    return Settings()


def _items(value: Sequence[str] | str) -> tuple[str, ...]:
    """The items of a list, which a variable has comma-separated, without blanks and repetitions."""
    listed = [item.strip() for item in value.split(",")] if isinstance(value, str) else value
    return tuple(dict.fromkeys(item for item in listed if item))


def _sentence(error: Any) -> str:
    """The error sentence for a variable: its value, the valid values, and its default."""
    name = error["loc"][0]
    variable = f"{_PREFIX}{name.upper()}"
    rule = Settings.model_json_schema()["properties"].get(name)
    if rule is None:
        return f"There is no setting {name!r}."
    if error["type"] == "value_error":
        wrong = str(error["ctx"]["error"])
    else:
        kind = "whole number" if rule["type"] == "integer" else "number"
        most = f"to {rule['maximum']}" if "maximum" in rule else "on"
        wrong = f"is {error['input']!r}: it must be a {kind} from {rule['minimum']} {most}"
    return f"{variable} {wrong} (the default is {_written(Settings.model_fields[name].default)})."


def _written(default: Any) -> str:
    """A default in the format of its variable."""
    if default is None:
        return "none"
    if isinstance(default, str):
        return default
    if isinstance(default, tuple):
        return ",".join(default)
    return f"{default:%H:%M}" if isinstance(default, time) else f"{default:g}"
