"""Where a test's alerts arrive: a web server for Apprise's ``json://`` addresses."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

Message = dict[str, Any]


class Listener:
    """Keeps what it is sent; ``refusing`` makes it answer with an error."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.refusing = False
        listener = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                if not listener.refusing:
                    listener.messages.append(body)
                self.send_response(503 if listener.refusing else 200)
                self.end_headers()

            def log_message(self, *_: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def __enter__(self) -> Listener:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def address(self) -> str:
        """Apprise's address of it, with a secret in it."""
        return f"json://someone:s3cret-token@127.0.0.1:{self._server.server_address[1]}/hook"

    @property
    def titles(self) -> list[str]:
        return [message["title"].removeprefix("A-share sync: ") for message in self.messages]

    def of(self, title: str, seconds: float = 60) -> list[Message]:
        """The messages of this title, once there is one."""
        deadline = time.monotonic() + seconds
        while not (found := [message for message in self.messages if message["title"] == title]):
            assert time.monotonic() < deadline, self.messages
            time.sleep(0.1)
        return found
