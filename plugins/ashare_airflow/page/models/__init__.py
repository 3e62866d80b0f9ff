"""The API's models by subject, with the field names that its clients know."""

from __future__ import annotations
