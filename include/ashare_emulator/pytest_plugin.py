"""Fixtures for tests of code that uses Baostock: an emulator on a free port, and the log of its requests.

A conftest activates the fixtures. They are not a pytest entry point, so that other projects' test runs do not load
them where this package is installed for its bars. ::

    # conftest.py
    pytest_plugins = ["ashare_emulator.pytest_plugin"]

    # test_prices.py
    import prices  # the code under test, which calls baostock.login() and baostock.query_...
    import pytest
    from ashare_emulator.faults import fault

    def test_one_login_for_two_days(baostock_requests):
        prices.download("2025-03-03", "2025-03-04")
        assert [request.method for request in baostock_requests].count("login") == 1

    def test_a_blacklisted_address_is_an_error(baostock_emulator):
        baostock_emulator.add_fault(fault("login", "error", code=10001011))
        with pytest.raises(prices.Blacklisted):
            prices.download("2025-03-03", "2025-03-04")

The code under test needs no change: while a test uses one of these fixtures, the real ``baostock`` client of this
process connects to the emulator. Another client, or a process that the test starts, needs ``baostock_emulator.host``
and ``baostock_emulator.port``.

The client has no timeout, and loops for ever if the server closes the connection. A test of the unmodified client
with the fault ``refuse``, ``stall``, ``drop``, ``close_before_reply`` or ``close_mid_reply`` needs a timeout, for
example by pytest-timeout.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import date
from importlib.util import find_spec
from typing import Any

import pytest

from ashare_emulator.generated import GeneratedMarket
from ashare_emulator.market import Market
from ashare_emulator.records import RequestRecord
from ashare_emulator.server import Emulator

StartEmulator = Callable[..., Emulator]

CLIENT_STATE = ("default_socket", "user_id", "apiKey")
"""The attributes of ``baostock.common.context`` in which the client keeps its connection, its user and its key."""


@pytest.fixture(scope="session")
def baostock_market() -> Market:
    """The market that ``baostock_emulator`` serves: 50 stocks, with indices and ETFs, in 2024 and 2025.

    A conftest or a test module replaces it by a fixture of this name, with any scope: a ``GeneratedMarket`` of other
    days and sizes, or a ``PanelMarket`` of recorded bars.
    """
    return GeneratedMarket(start=date(2024, 1, 1), end=date(2025, 12, 31), stocks=50)


@pytest.fixture
def start_baostock_emulator(baostock_market: Market) -> Iterator[StartEmulator]:
    """Start an emulator with options: ``start_baostock_emulator(market, latency=0.2, now=clock)``.

    The function takes the parameters of ``ashare_emulator.server.Emulator``; without a market, it serves
    ``baostock_market``. The ``baostock`` client connects to the emulator that was started last. Each emulator is
    stopped at the end of the test.
    """
    with ExitStack() as stack:

        def start(market: Market | None = None, **options: Any) -> Emulator:
            emulator = stack.enter_context(Emulator(market or baostock_market, **options))
            if find_spec("baostock"):
                stack.enter_context(client_connects_to(emulator))
            return emulator

        yield start


@pytest.fixture
def baostock_emulator(start_baostock_emulator: StartEmulator) -> Emulator:
    """An emulator of the test's own, on a free port of 127.0.0.1, without faults and with an empty log.

    ``add_fault`` injects a fault, ``requests`` and ``connections`` are its log, ``overlaps()`` are the pairs of
    connections that were open at once, for which the real service blacklists an address.
    """
    return start_baostock_emulator()


@pytest.fixture
def baostock_requests(baostock_emulator: Emulator) -> list[RequestRecord]:
    """The requests to ``baostock_emulator`` so far, logins and pages included; the list grows during the test.

    ``method`` is a request's name as Baostock has it (``login``, ``query_all_stock``), ``params`` its parameters,
    ``rows`` and ``error_code`` are of the reply.
    """
    return baostock_emulator.requests


@contextmanager
def client_connects_to(emulator: Emulator) -> Iterator[None]:
    """Within the block, the ``baostock`` client of this process connects to the emulator; the client is logged out.

    At the end of the block, the client's connection is closed and the client's previous state is restored.

    :raises ImportError: the client is not installed.
    """
    from baostock.common import contants, context

    state = vars(context)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(contants, "BAOSTOCK_SERVER_IP", emulator.host)
        patch.setattr(contants, "BAOSTOCK_VIP_SERVER_IP", emulator.host)
        patch.setattr(contants, "BAOSTOCK_SERVER_PORT", emulator.port)
        for name in CLIENT_STATE:
            patch.delitem(state, name, raising=False)
        try:
            yield
        finally:
            # After the emulator's end, a query on the open connection would loop for ever; without one, it fails.
            if connection := state.get("default_socket"):
                connection.close()
            for name in CLIENT_STATE:
                state.pop(name, None)
