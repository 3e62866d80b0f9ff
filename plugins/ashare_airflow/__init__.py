"""All code of this package that depends on Airflow."""

from __future__ import annotations
