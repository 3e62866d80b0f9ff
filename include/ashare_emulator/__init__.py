"""A server that speaks Baostock's protocol, for the demo, the tests, and trying settings without the real service.

``server`` carries the protocol, ``generated`` and ``panel`` hold the markets it serves, ``faults`` are the ways in
which it can misbehave on request. Command line: ``python -m ashare_emulator --help``.
"""

from __future__ import annotations
