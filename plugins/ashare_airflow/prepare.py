"""Migrate Airflow's database, create pool and connection: one process instead of several commands."""

from __future__ import annotations

import os
import socket
import sys


def main() -> int:
    """Run in the stack's environment. An existing pool or connection stays: the UI may have changed it.

    :returns: the exit code.
    """
    from airflow.utils.db import upgradedb

    from ashare_airflow.pool import AirflowPool

    upgradedb()
    AirflowPool().make()
    if "AIRFLOW_CONN_BAOSTOCK" in os.environ:
        return 0
    if problem := _connect_source(_emulator()):
        sys.stderr.write(f"{problem}\n")
        return 1
    return 0


def _emulator() -> str | None:
    """Address of the stack's emulator, ``host:port``; ``None`` while the profile ``demo`` is off.

    The emulator's host name resolves only while the profile is on.
    """
    address = os.environ.get("EMULATOR", "")
    host, _, port = address.partition(":")
    if not host:
        return None
    try:
        socket.getaddrinfo(host, port)
    except socket.gaierror:
        return None
    return address


def _connect_source(emulator: str | None) -> str | None:
    """Create the connection ``baostock`` in Airflow's database, where the UI can change it.

    :returns: ``None``, or a sentence: the emulator must not serve a stack whose bars come from another host.
    """
    from airflow.models.connection import Connection
    from airflow.utils.session import create_session
    from sqlalchemy import select

    from ashare.environment import SOURCE_EXAMPLE

    uri = f"baostock://anonymous:123456@{emulator}" if emulator else SOURCE_EXAMPLE
    with create_session() as session:
        found = session.scalar(select(Connection).where(Connection.conn_id == "baostock"))
        if found is None:
            session.add(Connection(conn_id="baostock", uri=uri))
        elif emulator and found.host != emulator.partition(":")[0]:
            return (
                f"The profile `demo` is on, and the bars of this stack are those of {found.host}: a generated market "
                "must not get among them. Give the demo a stack of its own: "
                "PORT=8081 docker compose -p ashare-demo --profile demo up -d. To go on with this one: "
                "docker compose --profile demo rm -sf emulator"
            )
    return None


if __name__ == "__main__":
    sys.exit(main())
