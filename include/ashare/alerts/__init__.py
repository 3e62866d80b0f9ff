"""Messages to people, by Apprise: what is not complete and why, and when it is well again.

One message for a trouble, however many runs fail of it: the table ``alert`` knows what was said.
"""

from __future__ import annotations

from ashare.alerts.delivery import Delivery
from ashare.alerts.raised import Alerts, Failure

__all__ = ["Alerts", "Delivery", "Failure"]
