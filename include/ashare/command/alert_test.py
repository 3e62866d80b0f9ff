"""``ashare alerts``: send a test message to every address of the connection ``ashare_alerts``."""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from contextlib import suppress

from ashare.alerts import Delivery
from ashare.environment import Environment
from ashare.errors import AshareError

DESCRIPTION = """\
Send a test message to every address of the connection ashare_alerts. Its password holds Apprise's addresses, with
blanks between. Exit code 1 when an address does not take the message.
"""


def main(arguments: Sequence[str], environment: Environment) -> int:
    """Send the test message; return the exit code: 1 if alerts are off or an address did not take the message."""
    argparse.ArgumentParser(prog="ashare alerts", description=DESCRIPTION).parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr, force=True)
    logging.getLogger("ashare").setLevel(logging.INFO)
    addresses = environment.alert_addresses()
    if not addresses:
        sys.stderr.write(
            "Alerts are off: the connection ashare_alerts is not set. Give Apprise's addresses, with blanks between, "
            "as its password, in AIRFLOW_CONN_ASHARE_ALERTS or under Admin > Connections.\n"
        )
        return 1
    delivery = Delivery(addresses)
    delivered, refused = delivery.send("A-share sync: a test", "Alerts will reach you here.", "info")
    if not refused:
        with suppress(AshareError), environment.store() as store:  # the database may be down, or not exist yet
            store.alerts.clear_errors()
    sys.stdout.writelines(f"ok   {name}\n" for name in delivered)
    sys.stdout.writelines(f"BAD  {name}: not delivered\n" for name in refused)
    return int(bool(refused))
