"""Everything of this package that knows Airflow."""

from __future__ import annotations
