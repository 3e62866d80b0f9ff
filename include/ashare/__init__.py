"""A-share sync: the China A-share market's daily bars, from Baostock into PostgreSQL.

``source`` speaks with Baostock, ``store`` with PostgreSQL; neither knows the other. ``steps`` joins them into what
a trade date goes through. ``command`` is the program ``ashare``.
Nothing in here imports Airflow: that is ``ashare_airflow``.
"""

from __future__ import annotations

__version__ = "2.0.0"
"""CHANGELOG.md says what each brings."""
