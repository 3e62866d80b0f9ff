"""Every `airflow` process imports this module at its start.

If an installation has its own airflow_local_settings.py, add the import below to that file.
"""

from __future__ import annotations

import ashare_airflow.local_settings  # noqa: F401

__all__: list[str] = []  # a listed name would replace the Airflow setting of the same name
