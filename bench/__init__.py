"""`make bench`: how long reading takes with 33 years of 5,000 stocks in the database."""

from __future__ import annotations

import sys
from pathlib import Path

# Where Airflow finds `ashare_page`.
sys.path.insert(0, str(Path(__file__).parents[1] / "plugins"))
