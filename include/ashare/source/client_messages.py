"""Redirects the messages of the ``baostock`` client from its own socket to a function of this package."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def carried_by(send: Callable[[str], str]) -> Iterator[None]:
    """Patch the client so that ``send`` carries its messages.

    At the end, undo the patch and delete the session from the client's module globals.
    """
    import baostock.common.context as state
    import baostock.util.socketutil as wire

    original_send, original_connect = wire.send_msg, wire.SocketUtil.connect
    wire.send_msg = send
    wire.SocketUtil.connect = lambda self, api_key: None
    try:
        yield
    finally:
        wire.send_msg, wire.SocketUtil.connect = original_send, original_connect
        for name in ("user_id", "apiKey", "default_socket"):
            vars(state).pop(name, None)
