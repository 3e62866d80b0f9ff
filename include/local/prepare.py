"""Bring Airflow's database up to date, with pool and connection: one process instead of several commands."""

from __future__ import annotations

import os

BAOSTOCK = "baostock://anonymous:123456@public-api.baostock.com:10030"


def main() -> None:
    """Run with the environment of the stack. What is there already stays: it may have been changed in the UI."""
    from airflow.models.connection import Connection
    from airflow.utils.db import upgradedb
    from airflow.utils.session import create_session

    from include.ashare.airflow_bridge import make_pool

    upgradedb()
    make_pool()
    if "AIRFLOW_CONN_BAOSTOCK" not in os.environ:
        # In the database and not in the environment, so that the UI can change it.
        with create_session() as session:
            if session.query(Connection).filter_by(conn_id="baostock").first() is None:
                session.add(Connection(conn_id="baostock", uri=BAOSTOCK))


if __name__ == "__main__":
    main()
