"""Keeps an error of a report from changing how a task ends."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from ashare.errors import AshareError

log = logging.getLogger(__name__)


@contextmanager
def failure_logged(subject: str) -> Iterator[None]:
    """Log every exception of the body, and go on.

    :param subject: what is sent: the subject of the logged sentence.
    """
    try:
        yield
    except AshareError as error:
        log.error("%s could not be sent: %s", subject, error)
    except Exception as error:  # noqa: BLE001  (of any metrics client or messenger; its text may hold an address)
        log.error("%s could not be sent (%s).", subject, type(error).__name__)
