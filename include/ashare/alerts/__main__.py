"""``python -m ashare.alerts``: a test message to every address of the connection ``ashare_alerts``.

With fields as JSON, it says that a run has failed: the scheduler starts it so.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from datetime import date
from typing import Any

from ashare.alerts import Alerts, Delivery, Failure
from ashare.connection import CONNECT_SECONDS
from ashare.errors import AshareError


def main(arguments: Sequence[str]) -> int:
    """Send; the exit code: 1, with a sentence, when a message could not be delivered to somebody."""
    from ashare_airflow.bridge import alert_addresses, read_connections_outside_of_a_task

    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr, force=True)
    logging.getLogger("ashare").setLevel(logging.INFO)
    os.environ.setdefault("PGCONNECT_TIMEOUT", CONNECT_SECONDS)
    try:
        with suppress(AshareError):  # what is lacking is said by whatever needs it
            read_connections_outside_of_a_task()
        addresses = alert_addresses()
        if arguments:
            return _failed(addresses, json.loads(arguments[0])) if addresses else 0
        return _try(addresses)
    except AshareError as error:
        sys.stderr.write(f"{error}\n")
        return 1


def _try(addresses: Sequence[str]) -> int:
    from ashare_airflow.bridge import store

    if not addresses:
        sys.stderr.write(
            "Alerts are off: the connection ashare_alerts is not set. Give Apprise's addresses, with blanks between, "
            "as its password, in AIRFLOW_CONN_ASHARE_ALERTS or under Admin > Connections.\n"
        )
        return 1
    delivery = Delivery(addresses)
    took, refused = delivery.send("A-share sync: a test", "Alerts will reach you here.", "info")
    if not refused:
        with suppress(AshareError):  # the database may be away, or not be there yet
            Alerts(store(), lambda: delivery).forget_refusals()
    sys.stdout.writelines(f"ok   {name}\n" for name in took)
    sys.stdout.writelines(f"BAD  {name}: not delivered\n" for name in refused)
    return int(bool(refused))


def _failed(addresses: Sequence[str], fields: dict[str, Any]) -> int:
    from ashare_airflow.bridge import store

    day, backfill = fields.pop("trade_date"), fields.pop("backfill")
    failure = Failure(
        **fields,
        trade_date=date.fromisoformat(day) if day else None,
        backfill=(backfill[0], *map(date.fromisoformat, backfill[1:])) if backfill else None,
    )
    Alerts(store(), lambda: Delivery(addresses)).failed(failure)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
