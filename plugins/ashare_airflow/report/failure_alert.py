"""A child process of the scheduler that sends the alert of a failed run: a slow service holds up nobody.

Its output goes into the scheduler's log.
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import date
from typing import Any

from ashare.alerts import Alerts, Delivery, Failure
from ashare.environment import Environment
from ashare.errors import AshareError
from ashare_airflow.airflow_environment import AirflowEnvironment


def main(text: str, environment: Environment) -> int:
    """Send the alert.

    :param text: the fields of ``Failure`` as JSON, dates as ISO texts.
    :returns: the exit code: 1, with a sentence on stderr, when a connection is wrong or Apprise is not installed.
    """
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr, force=True)
    logging.getLogger("ashare").setLevel(logging.INFO)
    try:
        if addresses := environment.alert_addresses():
            with environment.store() as store:
                Alerts(store, lambda: Delivery(addresses)).failed(_failure(json.loads(text)))
    except AshareError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _failure(fields: dict[str, Any]) -> Failure:
    day, backfill = fields.pop("trade_date"), fields.pop("backfill")
    return Failure(
        **fields,
        trade_date=date.fromisoformat(day) if day else None,
        backfill=(backfill[0], *map(date.fromisoformat, backfill[1:])) if backfill else None,
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], AirflowEnvironment()))
