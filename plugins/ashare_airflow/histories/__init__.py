"""Runs of ``ashare_history`` for the page: their start, progress and cancel."""

from __future__ import annotations
