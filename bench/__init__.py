"""`make bench`: all figures of docs/performance.md, measured in one run."""

from __future__ import annotations

import sys
from pathlib import Path

# Where Airflow finds `ashare_airflow.page`.
sys.path[:0] = [str(Path(__file__).parents[1] / folder) for folder in ("include", "plugins")]
