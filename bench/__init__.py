"""`make bench`: measures all figures of docs/performance.md in one run."""

from __future__ import annotations

import sys
from pathlib import Path

# `ashare_airflow.page` is in Airflow's plugins folder.
sys.path[:0] = [str(Path(__file__).parents[1] / folder) for folder in ("include", "plugins")]
