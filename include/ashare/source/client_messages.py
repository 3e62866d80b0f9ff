"""The way of the ``baostock`` client's messages: through a function of ours instead of the client's own socket."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def carried_by(send: Callable[[str], str]) -> Iterator[None]:
    """Let the client's messages go through ``send``, and leave none of the session in its module globals."""
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
