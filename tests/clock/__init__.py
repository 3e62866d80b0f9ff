"""Tests at another hour of another day, under faketime."""
