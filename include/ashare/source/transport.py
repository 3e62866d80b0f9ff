"""TCP transport for the messages that the ``baostock`` package composes; replaces its socket code, which may hang.

The package's code reads until a terminator, spins at the end of the stream, has no timeout, and uses ``send``,
which may send only a part. Here a reply arrives whole, in time and within a size limit, or an error says why not.
"""

from __future__ import annotations

import selectors
import socket
import time
import zlib
from collections.abc import Callable
from concurrent.futures import Future, wait
from dataclasses import dataclass
from typing import Any

from ashare.errors import BadReply, SourceDropped, SourceStalled, SourceUnreachable
from ashare.source.request_gate import Gate

HEADER_BYTES = 21
SEPARATOR = "\1"
TERMINATOR = b"<![CDATA[]]>\n"

# Request type -> reply type, and whether the reply's body is compressed (baostock.common.contants, recorded replies).
REPLY_TYPES = {
    "00": ("01", False),  # login
    "02": ("03", False),  # logout
    # A request type is an odd number, its reply type the next number. The server refuses some types from 75 on.
    **{f"{kind}": (f"{kind + 1}", False) for kind in (*range(13, 36, 2), *range(45, 94, 2))},
    "53": ("56", False),  # query_money_supply_data_month; the client expects 54
    "95": ("96", True),  # query_history_k_data_plus
    "98": ("99", True),  # query_daily_history_k_AStock
    "9A": ("9B", True),  # query_daily_history_k_ETF
    "9C": ("9D", True),  # query_daily_adjust_factor
}
EXCEPTION_TYPE = "04"

GATE_SECONDS = 0.1
"""How often a connection that waits for other work looks whether the gate's lock is lost."""


@dataclass(frozen=True)
class Limits:
    """Time limits in seconds, size limit in bytes."""

    connect: float = 10.0
    idle: float = 90.0  # the public server takes up to 50 s before the first byte of a whole-market reply
    reply: float = 300.0
    reopen: float = 2.0  # backoff before a lost session is reopened; doubles with each short session in a row
    reply_bytes: int = 64 * 1024 * 1024


@dataclass(frozen=True)
class Header:
    """The first 21 bytes of a message: client version, message type, length of the body."""

    type: str
    body_length: int

    @classmethod
    def read(cls, message: bytes | str) -> Header:
        text = message[:HEADER_BYTES]
        try:
            decoded = text.decode("ascii") if isinstance(text, bytes) else text
            _, kind, length = decoded.split(SEPARATOR)
            return cls(kind, int(length))
        except ValueError:
            raise BadReply("Baostock's reply does not start with a message header.") from None


class Transport:
    """One TCP connection to Baostock."""

    def __init__(self, host: str, port: int, limits: Limits) -> None:
        self._host, self._port, self._limits = host, port, limits
        self._socket: socket.socket | None = None

    def connect(self) -> None:
        """Open the connection.

        :raises SourceUnreachable: the name cannot be resolved, or the connection is refused or times out.
        """
        self.close()
        where = f"Baostock at {self._host}:{self._port}"
        try:
            self._socket = socket.create_connection((self._host, self._port), timeout=self._limits.connect)
        except socket.gaierror as error:
            raise SourceUnreachable(f"The name of {where} cannot be resolved ({error.strerror}).") from error
        except TimeoutError as error:
            raise SourceUnreachable(
                f"{where} did not accept a connection within {self._limits.connect:g} s."
            ) from error
        except OSError as error:
            raise SourceUnreachable(f"{where} cannot be reached ({error.strerror or error}).") from error

    @property
    def is_open(self) -> bool:
        """Whether the connection is open."""
        return self._socket is not None

    def close(self) -> None:
        """Close the connection; idempotent."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def wait_for(self, work: Future[Any], gate: Gate) -> None:
        """Wait for other work to end, and check the gate meanwhile; an error of the check closes the connection."""
        while self.is_open and not wait([work], timeout=GATE_SECONDS).done:
            with selectors.DefaultSelector() as selector:
                selector.register(gate, selectors.EVENT_READ)
                if selector.select(0):
                    self._check(gate)

    def exchange(self, message: str, gate: Gate | None = None, meanwhile: Callable[[], None] | None = None) -> str:
        """Send one message and return its reply as the client expects it: header, then the decompressed body.

        :param gate: checked whenever its ``fileno`` becomes readable during the wait; an error of the check closes
            the connection.
        :param meanwhile: called once the message is sent.
        :raises SourceUnreachable: the connection is not open.
        :raises SourceDropped: the connection broke.
        :raises SourceStalled: a time limit passed.
        :raises BadReply: the reply is too large, malformed, or of an unexpected type.
        """
        if self._socket is None:
            raise SourceUnreachable("The connection to Baostock is closed.")
        asked = Header.read(message)
        try:
            self._socket.settimeout(self._limits.idle)
            self._socket.sendall(message.encode() + b"\n")
            if meanwhile is not None:
                meanwhile()
            reply = self._receive(self._socket, gate)
        except TimeoutError:
            self.close()
            raise SourceStalled(f"Baostock sent nothing for {self._limits.idle:g} s.") from None
        except OSError as error:
            self.close()
            raise SourceDropped(f"The connection to Baostock broke ({error.strerror or error}).") from error
        return _decode(reply, asked.type, self._limits.reply_bytes)

    def _receive(self, sock: socket.socket, gate: Gate | None) -> bytes:
        deadline = time.monotonic() + self._limits.reply
        reply = bytearray()
        while not _is_whole(reply):
            left = deadline - time.monotonic()
            sock.settimeout(max(0.001, min(left, self._limits.idle)))
            try:
                if gate is not None:
                    self._watch(sock, gate)
                chunk = sock.recv(1 << 16)
            except TimeoutError:
                if left > self._limits.idle:
                    raise
                self.close()
                raise SourceStalled(f"Baostock's reply was not finished within {self._limits.reply:g} s.") from None
            if not chunk:
                self.close()
                raise SourceDropped(
                    f"Baostock closed the connection in the middle of a reply ({len(reply)} bytes had arrived)."
                )
            reply += chunk
            if len(reply) > self._limits.reply_bytes:
                self.close()
                raise BadReply(f"Baostock's reply is larger than {self._limits.reply_bytes} bytes.")
        return bytes(reply)

    def _watch(self, sock: socket.socket, gate: Gate) -> None:
        """Wait until the socket is readable; close it at once if the gate's check fails.

        :raises TimeoutError: the socket's timeout passed.
        """
        deadline = time.monotonic() + (sock.gettimeout() or 0)
        with selectors.DefaultSelector() as selector:
            selector.register(sock, selectors.EVENT_READ)
            selector.register(gate, selectors.EVENT_READ)
            while True:
                ready = [key.fileobj for key, _ in selector.select(max(0.0, deadline - time.monotonic()))]
                if not ready:
                    raise TimeoutError
                if gate in ready:
                    self._check(gate)
                if sock in ready:
                    return

    def _check(self, gate: Gate) -> None:
        try:
            gate.check()
        except BaseException:
            self.close()
            raise


def _is_whole(reply: bytearray) -> bool:
    if not reply.endswith(TERMINATOR):
        return False
    # Compressed bytes may end with the terminator by chance: the length in the header decides.
    header = Header.read(bytes(reply[:HEADER_BYTES]))
    compressed = any(kind == header.type and packed for kind, packed in REPLY_TYPES.values())
    return not compressed or len(reply) >= HEADER_BYTES + header.body_length + len(TERMINATOR)


def _unpack(packed: bytes, most: int) -> bytes:
    unpacker = zlib.decompressobj()
    body = unpacker.decompress(packed, most)
    if unpacker.unconsumed_tail:
        raise BadReply(f"Baostock's reply is larger than {most} bytes.")
    if not unpacker.eof:
        raise BadReply("The body of Baostock's reply cannot be read (it is cut).")
    return body


def _decode(reply: bytes, asked_type: str, reply_bytes: int) -> str:
    header = Header.read(reply)
    wanted, compressed = REPLY_TYPES[asked_type]
    if header.type not in (wanted, EXCEPTION_TYPE):
        raise BadReply(
            f"Baostock answered a message of type {asked_type} with type {header.type} instead of {wanted}."
        )
    try:
        head = reply[:HEADER_BYTES].decode("ascii")
        if compressed and header.type == wanted:
            return head + _unpack(reply[HEADER_BYTES : HEADER_BYTES + header.body_length], reply_bytes).decode()
        body = _without_checksum(reply[: -len(TERMINATOR)], header.body_length)
        # The client cuts off the last character, as if it were the newline.
        return head + body.decode() + "\n"
    except (zlib.error, UnicodeDecodeError) as error:
        raise BadReply(f"The body of Baostock's reply cannot be read ({error}).") from None


def _without_checksum(message: bytes, body_length: int) -> bytes:
    """The body of an uncompressed message, without its checksum.

    The checksum is the CRC-32 of header and body. The header counts the body's length in characters. Compressed
    messages are not checked here: zlib has its own checksum, and the input of the message's checksum is unknown.

    :raises BadReply: the checksum does not match.
    """
    whole = message[HEADER_BYTES:]
    body, _, checksum = whole.rpartition(SEPARATOR.encode())
    if not checksum.isdigit() or body_length in (len(whole), len(whole.decode(errors="replace"))):
        return whole  # the message has no checksum
    if int(checksum) != zlib.crc32(message[: HEADER_BYTES + len(body)]):
        raise BadReply("The body of Baostock's reply cannot be read (it is not what its checksum was taken of).")
    return body
