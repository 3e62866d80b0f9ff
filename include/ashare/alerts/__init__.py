"""Alerts to people, sent by Apprise: which data is not complete and why, and when the trouble is over.

The table ``alert`` deduplicates: a trouble is one message, however many runs fail because of it.
"""

from __future__ import annotations

from ashare.alerts.delivery import Delivery
from ashare.alerts.raised import Alerts, Failure

__all__ = ["Alerts", "Delivery", "Failure"]
