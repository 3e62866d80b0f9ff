"""Shared by the DAGs of this package: the asset, the deadline, the retry policy, the params of a run."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from airflow.sdk import Asset, AssetAny, ExceptionRetryPolicy, Param, RetryAction, RetryRule
from airflow.sdk.exceptions import AirflowRescheduleException

from ashare.datasets import DATASETS, KINDS, WEEKLY_DATASETS, kept_with
from ashare.dates import FIRST_TRADE_DATE, SHANGHAI, beijing_now
from ashare.errors import Postponed
from ashare.settings import current_settings

SETTINGS = current_settings()
"""Read when the DAG file is parsed: an invalid setting is an import error of the DAG, and of nothing else."""

BARS = Asset("ashare_daily_bar")
"""An event says that a trade date's bars are complete. Its partition key is the trade date."""

DATASET_ASSETS = {name: Asset(f"ashare_{name}") for name in (*DATASETS, *WEEKLY_DATASETS)}
"""Asset by dataset. An event has the figures of a partition: how many ``rows`` it holds, how many are ``missing``.

Its partition key is the trade date or, of a weekly dataset, the Monday.
"""

DAILY_ASSETS = [BARS, *(DATASET_ASSETS[name] for name in kept_with(SETTINGS.kinds))]
WEEKLY_ASSETS = [DATASET_ASSETS[name] for name in WEEKLY_DATASETS]

HISTORY = Asset("ashare_history")
"""An event says that a range is complete. Its partition key is the range's last day."""

LAKE = Asset("ashare_lake")
"""An event says that the lake has changed. It has the last trade date, the number of bars, and the written files."""

EXPORTED_ASSETS = AssetAny(BARS, HISTORY, *WEEKLY_ASSETS)
"""Whose events bring the lake up to date."""

DEADLINE = timedelta(hours=SETTINGS.deadline.hour, minutes=SETTINGS.deadline.minute)
"""From a trade date's midnight to the time by which the date has to be complete."""

SOONEST_SECONDS = 5
"""Minimum delay before a postponed task runs again."""

START_DATE = datetime(FIRST_TRADE_DATE.year, FIRST_TRADE_DATE.month, FIRST_TRADE_DATE.day, tzinfo=SHANGHAI)

# Errors that a person has to mend are not retried. All others are, with exponential backoff.
_HOPELESS = ("InvalidInput", "TerminalError", "IncompleteDate")

DEFAULT_ARGS: dict[str, Any] = {
    "owner": "ashare",
    "retries": SETTINGS.retries,
    "retry_delay": timedelta(seconds=SETTINGS.retry_seconds),
    "retry_exponential_backoff": 2.0,
    "max_retry_delay": timedelta(minutes=30),
    "execution_timeout": timedelta(hours=6),
    "retry_policy": ExceptionRetryPolicy(
        rules=[RetryRule(exception=f"ashare.errors.{name}", action=RetryAction.FAIL) for name in _HOPELESS]
    ),
}

BATCH: dict[str, Any] = {
    "map_index_template": "{{ task.op_kwargs['batch']['label'] }}",
    # Else Airflow would make an XCom of each key of the result, too: three requests more to the API server.
    "multiple_outputs": False,
}
"""Arguments of the mapped task that does a batch."""


def _day(description: str) -> Param:
    return Param(None, type=["null", "string"], format="date", description=description)


_KINDS = Param(
    list(SETTINGS.kinds),
    type="array",
    items={"type": "string", "enum": list(KINDS)},
    minItems=1,
    description=f"Kinds of securities: {', '.join(KINDS)}.",
)

DAILY_PARAMS = {
    "kinds": _KINDS,
    "fetch": Param("auto", enum=["auto", "code"], description="auto: the whole market at once; code: one by one."),
    "batch_size": Param(500, type="integer", minimum=1, description="Codes in a batch that goes one by one."),
    "verify": Param(
        False,
        type="boolean",
        description="Read a complete date again, compare, and update what Baostock has changed.",
    ),
    "trade_date": _day("For a run without a partition key. Empty: the newest weekday whose bars should be out."),
}

REFERENCE_PARAMS = {
    "datasets": Param(
        list(WEEKLY_DATASETS),
        type="array",
        items={"type": "string", "enum": list(WEEKLY_DATASETS)},
        minItems=1,
        description=f"Weekly lists: {', '.join(WEEKLY_DATASETS)}. One call brings industries and names.",
    ),
    "week": _day("A Monday, for a run without a partition key. Empty: the newest one whose lists should be out."),
}

HISTORY_PARAMS = {
    "start_date": _day("The first day. Empty: `years` before the last."),
    "end_date": _day("The last day. Empty: yesterday."),
    "years": Param(10, type="integer", minimum=1, maximum=50, description="How far back, without a start_date."),
    "kinds": _KINDS,
    "datasets": Param(
        None,
        type=["null", "array"],
        items={"type": "string", "enum": [*DATASETS, *WEEKLY_DATASETS]},
        description="Only these datasets, whatever `kinds` says. Empty: bars of the kinds, and adjust factors. "
        f"Weekly lists ({', '.join(WEEKLY_DATASETS)}) take a run of their own.",
    ),
    "codes": Param(
        None,
        type=["null", "array"],
        items={"type": "string"},
        description="Only these, as sh.600000. Empty: all of the kinds, delisted ones included.",
    ),
    "batch_size": Param(200, type="integer", minimum=1, maximum=500, description="Codes in a batch."),
}


@contextmanager
def rescheduled() -> Iterator[None]:
    """Reschedule the task when a step is postponed: no worker is held meanwhile, and no try is used up.

    :raises AirflowRescheduleException: the step raised ``Postponed``.
    """
    try:
        yield
    except Postponed as early:
        logging.getLogger(__name__).info("%s", early)
        # `until` comes from the database's clock, and Airflow compares it with its own clock. Without a minimum
        # delay, a difference between the clocks would be a busy loop.
        soonest = beijing_now() + timedelta(seconds=SOONEST_SECONDS)
        later = max(soonest, early.until or beijing_now() + timedelta(seconds=SETTINGS.poll_seconds))
        raise AirflowRescheduleException(later) from None  # type: ignore[no-untyped-call]
