"""Reports of a run to the outside: metrics and alerts."""

from __future__ import annotations
