"""What the API answers, by subject: typed, and with the names that its clients know."""

from __future__ import annotations
