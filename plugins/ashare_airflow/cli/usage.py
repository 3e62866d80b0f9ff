"""What is typed after `airflow dags backfill`, read and checked."""

from __future__ import annotations

import json
from datetime import datetime, time, timezone
from typing import TYPE_CHECKING, Any

from airflow._shared.timezones.timezone import parse as parse_instant

from ashare.dates import parse_trade_date_range
from ashare.errors import InvalidInput
from ashare.params import check_names
from ashare_airflow.backfills.service import WrongUsage
from ashare_airflow.listeners import OURS
from ashare_airflow.schedule.timetable import TradeDateTimetable

if TYPE_CHECKING:
    from airflow.serialization.definitions.dag import SerializedDAG


def read_conf(dag: SerializedDAG, text: str | None) -> dict[str, Any]:
    """The params of each run; of this package's DAGs, only such as they have."""
    if text is None:
        return {}
    try:
        conf = json.loads(text)
    except ValueError as error:
        raise WrongUsage(
            f"--conf is not JSON ({error}): write an object, for example '{{\"batch_size\": 200}}'."
        ) from None
    if not isinstance(conf, dict):
        raise WrongUsage(f"--conf is a JSON {type(conf).__name__}, not an object: write '{{\"name\": value}}'.")
    if dag.dag_id in OURS:
        try:
            check_names(conf, dag.params, dag.dag_id)
        except InvalidInput as error:
            raise WrongUsage(str(error)) from None
    return conf


def read_range(dag: SerializedDAG, start: str | None, end: str | None) -> tuple[datetime, datetime]:
    """The bounds as Airflow's own command line would send them. One alone means that one date, as in Airflow 2."""
    if start is None and end is None:
        raise WrongUsage("Say which dates: -s/--start-date and -e/--end-date, YYYY-MM-DD.")
    start, end = start or end or "", end or start or ""
    try:
        if isinstance(dag.timetable, TradeDateTimetable):
            first, last = parse_trade_date_range(start, end)
            return datetime.combine(first, time(), timezone.utc), datetime.combine(last, time(), timezone.utc)
        lower, upper = parse_instant(start), parse_instant(end)
    except InvalidInput as error:
        raise WrongUsage(str(error)) from None
    except ValueError:
        raise WrongUsage(f"{start!r} or {end!r} is not a date: write YYYY-MM-DD.") from None
    if upper < lower:
        raise WrongUsage(f"The end date {end} is before the start date {start}: swap them.")
    return lower, upper
