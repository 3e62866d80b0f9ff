"""The way out: Apprise's addresses, each tried by itself. An address is a secret and is never in a text."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from ashare.errors import InvalidInput

if TYPE_CHECKING:
    from apprise import Apprise, NotifyBase

log = logging.getLogger(__name__)

Kind = Literal["failure", "success", "info"]

MOST_BYTES = 4_000
"""Of a message, however much its service takes: nobody reads more."""
ESCAPED = 0.9
"""The part of a service's limit that a text may fill: where it speaks HTML or Markdown, escaping makes it longer."""
THEIR_LOGS = ("apprise", "urllib3", "requests", "httpx")
"""Would hold addresses, or tokens in paths."""


@dataclass(frozen=True)
class Delivery:
    """Sends messages to all addresses; those that Apprise does not understand are refused like those that fail.

    Each method raises ``InvalidInput`` when Apprise is not installed.

    :param addresses: Apprise's, as ``mailto://...``, ``dingtalk://...``, ``wecombot://...``, ``feishu://...``.
    :param pauses: seconds before each further try of an address that did not take a message.
    """

    addresses: Sequence[str]
    pauses: Sequence[float] = (2.0, 5.0)

    def send(self, title: str, text: str, kind: Kind) -> tuple[list[str], list[str]]:
        """Send a message; the services that took it, and those that did not."""
        took: list[str] = []
        refused = list(self.problems)
        with _quiet():
            for service in self._services:
                name = str(service.service_name)
                short = _short(text, _room(service, title))
                (took if self._send(service, title, short, kind) else refused).append(name)
        return took, refused

    @property
    def problems(self) -> list[str]:
        """Addresses that Apprise does not understand, by their places."""
        return [problem for problem, service in self._made if service is None]

    @property
    def _services(self) -> list[NotifyBase]:
        return [service for _, service in self._made if service is not None]

    @cached_property
    def _made(self) -> list[tuple[str, NotifyBase | None]]:
        apprise = _apprise()
        with _quiet():
            return [
                (f"address {place} ({_kind_of(address)})", apprise.instantiate(address, suppress_exceptions=True))
                for place, address in enumerate(self.addresses, start=1)
            ]

    def _send(self, service: NotifyBase, title: str, text: str, kind: Kind) -> bool:
        from apprise import Apprise

        one = Apprise()
        one.add(service)
        for pause in (*self.pauses, None):
            try:
                # As text: a service that speaks HTML has to escape it.
                if one.notify(title=title, body=text, notify_type=kind, body_format="text"):
                    return True
            except Exception as error:  # noqa: BLE001  (whatever a service's code does, the others are told)
                log.warning("%s failed with %s.", service.service_name, type(error).__name__)
            if pause is not None:
                time.sleep(pause)
        return False


def _apprise() -> type[Apprise]:
    """:raises InvalidInput: it is not installed."""
    try:
        from apprise import Apprise
    except ModuleNotFoundError:
        raise InvalidInput(
            "Alerts are sent by Apprise, which is not installed: pip install 'ashare-sync[alerts]'."
        ) from None
    return Apprise


def _kind_of(address: str) -> str:
    """What may be said of an address that is not understood: what stands before ``://``, if that is no secret."""
    found = re.match(r"([a-z][a-z0-9+]{0,19})://", address)
    return f"{found[1]}://... is not understood" if found else "does not begin with a service's name and ://"


def _room(service: NotifyBase, title: str) -> int:
    """How many bytes of text the service takes; some count bytes and some characters, which are never more."""
    title_in_body = 0 if service.title_maxlen > 0 else len(title.encode())
    return min(int(ESCAPED * service.body_maxlen) - title_in_body, MOST_BYTES)


def _short(text: str, most: int) -> str:
    """The beginning of a long reason, and the link that ends it, in so many bytes."""
    if len(text.encode()) <= most:
        return text
    body, _, link = text.rpartition("\n\n")
    end = f" ...\n\n{link}"
    if len(end.encode()) > most // 2:  # of a short message, or without a link: the reason is worth more
        body, end = text, " ..."
    return body.encode()[: max(most - len(end.encode()), 0)].decode(errors="ignore") + end


@contextmanager
def _quiet() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in THEIR_LOGS]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
