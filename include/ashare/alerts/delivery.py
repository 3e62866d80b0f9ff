"""The way out: Apprise's addresses, each tried by itself. An address is a secret and is never in a text."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from include.ashare.errors import InvalidInput

if TYPE_CHECKING:
    from apprise import NotifyBase

log = logging.getLogger(__name__)

Kind = Literal["failure", "warning", "success", "info"]

MOST_CHARACTERS = 1500
"""Of a message: short enough for every service that takes texts."""


@dataclass(frozen=True)
class Delivery:
    """Sends messages to all addresses.

    :param addresses: Apprise's, as ``mailto://...``, ``dingtalk://...``, ``wecombot://...``, ``feishu://...``.
    :param pauses: seconds before each further try of an address that did not take a message.
    :raises InvalidInput: Apprise does not know one; the text says which, by its place.
    """

    addresses: Sequence[str]
    pauses: Sequence[float] = (2.0, 5.0)

    def __post_init__(self) -> None:
        self._services()

    def send(self, title: str, text: str, kind: Kind) -> tuple[list[str], list[str]]:
        """Send a message; the services that took it, and those that did not."""
        took: list[str] = []
        refused: list[str] = []
        for service in self._services():
            name = str(service.service_name)
            (took if self._send(service, title, _short(text), kind) else refused).append(name)
        return took, refused

    def _send(self, service: NotifyBase, title: str, text: str, kind: Kind) -> bool:
        for pause in (*self.pauses, None):
            try:
                if service.notify(title=title, body=text, notify_type=kind):
                    return True
            except Exception as error:  # noqa: BLE001  (whatever a service's code does, the others are told)
                log.warning("%s failed with %s.", service.service_name, type(error).__name__)
            if pause is not None:
                time.sleep(pause)
        return False

    def _services(self) -> list[NotifyBase]:
        from apprise import Apprise

        logging.getLogger("apprise").setLevel(logging.CRITICAL)  # it would log addresses
        services = []
        for place, address in enumerate(self.addresses, start=1):
            made = Apprise.instantiate(address, suppress_exceptions=True)
            if made is None:
                raise InvalidInput(
                    f"Apprise does not understand address {place} of the connection ashare_alerts "
                    f"({address.partition('://')[0][:20]}://...): write it as its documentation says, several of "
                    "them with blanks between."
                )
            services.append(made)
        return services


def _short(text: str) -> str:
    """The beginning of a long reason, and the link that ends it."""
    if len(text) <= MOST_CHARACTERS:
        return text
    body, _, link = text.rpartition("\n\n")
    return f"{body[: MOST_CHARACTERS - len(link) - 6]} ...\n\n{link}"
