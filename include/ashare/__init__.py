"""A-share sync: the China A-share market's daily bars, from Baostock into PostgreSQL.

``source`` speaks with Baostock, ``store`` with PostgreSQL; neither knows the other. ``steps`` joins them into what
a trade date goes through. Nothing in here imports Airflow except ``bridge``, which turns Airflow's
connections into settings.
"""

from __future__ import annotations

__version__ = "1.2.0"
"""CHANGELOG.md says what each brings."""
