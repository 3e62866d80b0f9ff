"""A-share sync: the China A-share market's daily bars, from Baostock into PostgreSQL.

``source`` talks to Baostock, ``store`` to PostgreSQL; neither imports the other. ``sync`` combines both into the
steps of a trade date's sync. ``command`` is the program ``ashare``.
No module here imports Airflow; the package ``ashare_airflow`` does.
"""

from __future__ import annotations

__version__ = "2.4.0"
"""CHANGELOG.md describes each version."""
