"""Read by every `airflow` process at its start. An Airflow that has such a file adds the import to its own."""

from __future__ import annotations

import ashare_airflow.local_settings  # noqa: F401

__all__: list[str] = []  # what is listed here would replace Airflow's settings of that name
