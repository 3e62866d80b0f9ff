"""What the outside learns of a run: metrics and alerts."""

from __future__ import annotations
