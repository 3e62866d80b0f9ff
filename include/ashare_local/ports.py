"""Free ports of this machine."""

from __future__ import annotations

import random
import socket

from ashare_local import StackError


def free_port() -> int:
    """A free port below the ephemeral ports, so that no outgoing connection takes the port later.

    :raises StackError: no free port was found.
    """
    for _ in range(200):
        port = random.randint(20000, 32000)
        if port_is_free(port):
            return port
    raise StackError("No free port between 20000 and 32000 on 127.0.0.1.")


def port_is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether nothing listens on the port."""
    with socket.socket() as probe:
        probe.settimeout(2)
        # Binding alone is not enough: macOS lets 127.0.0.1 be bound beside a listener on all addresses.
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            return False
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True
