"""A server that speaks Baostock's protocol, for the demo, the tests, and trying settings without the real service.

``server`` is the server, ``protocol`` its messages, ``generated`` and ``panel`` are the markets that it serves,
``faults`` the faults that it can inject. Command line: ``ashare emulator --help``.
"""

from __future__ import annotations
