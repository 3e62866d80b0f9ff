"""Delivery to Apprise's addresses, each independent of the others. An address is a secret: no text quotes it."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from ashare.errors import InvalidInput
from ashare.messages import in_chinese
from ashare.settings import LANGUAGES, current_settings

if TYPE_CHECKING:
    from apprise import Apprise, NotifyBase

log = logging.getLogger(__name__)

Kind = Literal["failure", "success", "info"]

MOST_BYTES = 4_000
"""Maximum bytes of a message, whatever its service takes: nobody reads more."""
ESCAPED = 0.9
"""Fraction of a service's limit that a text may fill: escaping for HTML or Markdown makes the text longer."""
THEIR_LOGS = ("apprise", "urllib3", "requests", "httpx")
"""Loggers to silence: they would log addresses, or tokens in URL paths."""


def _language() -> str:
    """The language of ``ASHARE_LANGUAGE``. Wrong settings must not keep an alert from its readers."""
    try:
        return current_settings().language
    except InvalidInput:
        return LANGUAGES[0]


@dataclass(frozen=True)
class Delivery:
    """Sends messages to all addresses. An address that Apprise cannot parse counts as refused, like one that fails.

    Each method raises ``InvalidInput`` if Apprise is not installed.

    :param addresses: Apprise's addresses, as ``mailto://...``, ``dingtalk://...``, ``wecombot://...``.
    :param pauses: seconds before each retry of an address that did not take the message.
    :param language: ``en``: titles and texts are sent as they are; ``zh``: in Chinese.
    """

    addresses: Sequence[str]
    pauses: Sequence[float] = (2.0, 5.0)
    language: str = field(default_factory=_language)

    def send(self, title: str, text: str, kind: Kind) -> tuple[list[str], list[str]]:
        """Send a message to all addresses.

        :param title: English, as is ``text``.
        :returns: names of the services that took the message, and of the services and addresses that did not.
        """
        if self.language == "zh":
            title, text = in_chinese(title), in_chinese(text)
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
        """The addresses that Apprise cannot parse, each described by its position and its scheme."""
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
                # Declared as plain text, so that a service that speaks HTML escapes it.
                if one.notify(title=title, body=text, notify_type=kind, body_format="text"):
                    return True
            except Exception as error:  # noqa: BLE001  (whatever a service's code does, the others are told)
                log.warning("%s failed with %s.", service.service_name, type(error).__name__)
            if pause is not None:
                time.sleep(pause)
        return False


def _apprise() -> type[Apprise]:
    """Import Apprise.

    :raises InvalidInput: Apprise is not installed.
    """
    try:
        from apprise import Apprise
    except ModuleNotFoundError:
        raise InvalidInput(
            "Alerts are sent by Apprise, which is not installed: pip install 'ashare-sync[alerts]'."
        ) from None
    return Apprise


def _kind_of(address: str) -> str:
    """Describe an address that Apprise cannot parse. Quote only a well-formed scheme: the rest may be secret."""
    found = re.match(r"([a-z][a-z0-9+]{0,19})://", address)
    return f"{found[1]}://... is not understood" if found else "does not begin with a service's name and ://"


def _room(service: NotifyBase, title: str) -> int:
    """Maximum bytes of text for the service. Some limits are in characters; a text has at least as many bytes."""
    title_in_body = 0 if service.title_maxlen > 0 else len(title.encode())
    return min(int(ESCAPED * service.body_maxlen) - title_in_body, MOST_BYTES)


def _short(text: str, most: int) -> str:
    """Truncate a text to ``most`` bytes: keep the beginning of the reason, and the link at the end."""
    if len(text.encode()) <= most:
        return text
    body, _, link = text.rpartition("\n\n")
    end = f" ...\n\n{link}"
    if len(end.encode()) > most // 2:  # low limit, or no link: drop the link in favour of the reason
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
