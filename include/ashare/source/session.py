"""The one way to Baostock: a session that holds the lock, counts every message and checks every reply."""

from __future__ import annotations

import contextlib
import io
import json
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import chain
from operator import itemgetter
from types import TracebackType
from typing import Any, Protocol

from include.ashare.errors import (
    BLACKLISTED,
    AshareError,
    BadReply,
    BudgetSpent,
    NotLoggedIn,
    NotPublishedYet,
    SourceRefused,
    SourceUnreachable,
    StoreUnavailable,
    TerminalError,
)
from include.ashare.source.transport import HEADER_BYTES, SEPARATOR, Limits, Transport

log = logging.getLogger(__name__)

PUBLIC_HOST = "public-api.baostock.com"
VIP_HOST = "vip-api.baostock.com"
PORT = 10030
PAGE_ROWS = 2000
LOGIN_AND_LOGOUT = 2

BAR_FIELDS = (
    "date,code,open,high,low,close,preclose,volume,amount,adjustflag,turn,tradestatus,pctChg,"
    "peTTM,pbMRQ,psTTM,pcfNcfTTM,isST"
)

FACTOR_FIELDS = ("code", "dividOperateDate", "foreAdjustFactor", "backAdjustFactor")


@dataclass(frozen=True)
class SourceConfig:
    """Where Baostock is and how to sign in; ``api_key`` is optional and moves the default host."""

    host: str = ""
    port: int = PORT
    user: str = "anonymous"
    password: str = field(default="123456", repr=False)
    api_key: str | None = field(default=None, repr=False)
    limits: Limits = field(default_factory=Limits)

    @property
    def address(self) -> tuple[str, int]:
        return self.host or (VIP_HOST if self.api_key else PUBLIC_HOST), self.port


class Gate(Protocol):
    """The lock and the request ledger in front of Baostock; PostgreSQL's is ``store.SourceGate``."""

    def open(self, requests: int) -> None:
        """Wait until the one connection to Baostock is ours; fails when so many requests may not be sent now."""

    def admit(self, requests: int) -> None:
        """Fail when so many more requests may not be sent now."""

    def begin(self, method: str, detail: str) -> int:
        """Record that a message is about to be sent; fails when the lock is lost."""

    def end(self, request_id: int, outcome: str, reply_chars: int) -> None:
        """Record how that message ended."""

    def fileno(self) -> int:
        """What becomes readable when the lock may be lost."""

    def check(self) -> None:
        """Fail when the lock is lost."""

    def close(self) -> None:
        """Give the connection up."""


@dataclass(frozen=True)
class Table:
    """A reply of all its pages: column names as sent, rows of strings (a blank is a missing value)."""

    fields: list[str]
    rows: list[list[str]]

    def column(self, name: str) -> list[str]:
        """The named column's values."""
        at = self.fields.index(name)
        return [row[at] for row in self.rows]

    def columns(self, *names: str) -> Iterable[tuple[str, ...]]:
        """Each row's values of the named columns, two or more, in that order."""
        return map(itemgetter(*map(self.fields.index, names)), self.rows)

    def require(self, names: Sequence[str], method: str) -> Table:
        """Return this table, or raise ``BadReply`` when a column is not there or a row is not as wide."""
        lacking = [name for name in names if name not in self.fields]
        if lacking:
            raise BadReply(f"Baostock's reply to {method} lacks the column {', '.join(lacking)}.")
        if any(len(row) != len(self.fields) for row in self.rows):
            raise BadReply(f"Baostock's reply to {method} has rows of another width than its header.")
        return self


class Session:
    """A Baostock session as a context manager: lock, connect, log in; always log out, close, unlock.

    :param requests: how many calls and pages it will be at least, login and logout not counted.
    :raises SourceBusy: on entering, when someone else kept the connection for too long.
    :raises Postponed: on entering, when so many requests may not be sent now, and nothing was; later, when a call may
        not be sent, or Baostock has just blacklisted this address.
    :raises SourceUnreachable: no connection, or it broke.
    :raises SourceRefused: a ban, a limit, a permission: never try again at once.
    :raises BadReply: a reply that is not the whole, well-formed answer to what was asked.
    """

    def __init__(self, config: SourceConfig, gate: Gate, requests: int = 1) -> None:
        self._config, self._gate, self._expected = config, gate, requests
        self._transport = Transport(*config.address, config.limits)
        self._client = contextlib.ExitStack()
        self.requests = 0

    def __enter__(self) -> Session:
        self._gate.open(self._expected + LOGIN_AND_LOGOUT)
        try:
            self._client.enter_context(_carried_by(self._send))
            self._login()
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        import baostock

        try:
            # Where the last reply was not read to its end, or we are refused, closing is all that is left to do.
            in_step = error is None or isinstance(error, (BadReply, BudgetSpent, NotPublishedYet, TerminalError))
            if in_step and self._transport.is_open and not isinstance(error, SourceRefused):
                self._quietly(baostock.logout)
        except AshareError as problem:
            log.warning("Logging out of Baostock failed, the connection is closed all the same: %s", problem)
        finally:
            self._close()

    def check_reachable(self) -> None:
        """Open a connection and close it again, without a message that would count.

        :raises SourceUnreachable: there is none.
        """
        self._gate.open(0)
        try:
            self._transport.connect()
        finally:
            self._close()

    def expect(self, requests: int) -> None:
        """Make sure that so many more calls and pages may be sent, and the logout.

        :raises Postponed: they may not.
        """
        self._gate.admit(requests + 1)

    # ------------------------------------------------------------------ calls

    def trade_dates(self, start: date, end: date) -> Table:
        """The calendar: ``calendar_date``, ``is_trading_day`` for each day from ``start`` to ``end``."""
        import baostock

        return self._query(
            "query_trade_dates",
            lambda: baostock.query_trade_dates(str(start), str(end)),
            ["calendar_date", "is_trading_day"],
        )

    def security_basics(self) -> Table:
        """All securities ever listed: ``code``, ``code_name``, ``ipoDate``, ``outDate``, ``type``, ``status``."""
        import baostock

        return self._query(
            "query_stock_basic", baostock.query_stock_basic, ["code", "code_name", "ipoDate", "outDate", "type"]
        )

    def listed_on(self, day: date) -> Table:
        """Everything listed on ``day``: ``code``, ``tradeStatus``, ``code_name``."""
        import baostock

        return self._query("query_all_stock", lambda: baostock.query_all_stock(str(day)), ["code"])

    def market_day(self, day: date, kind: str) -> Table:
        """Unadjusted daily bars of all stocks (``kind`` ``stock``) or ETFs (``etf``) on ``day``."""
        import baostock

        call = {"stock": "query_daily_history_k_AStock", "etf": "query_daily_history_k_ETF"}[kind]
        return self._query(call, lambda: getattr(baostock, call)(str(day)), BAR_FIELDS.split(","), paged=False)

    def bars(self, code: str, start: date, end: date) -> Table:
        """Unadjusted daily bars of one security from ``start`` to ``end``, both included."""
        import baostock

        return self._query(
            "query_history_k_data_plus",
            lambda: baostock.query_history_k_data_plus(code, BAR_FIELDS, str(start), str(end), "d", "3"),
            BAR_FIELDS.split(","),
            echo={"code": code},
        )

    def daily_factors(self, day: date) -> Table:
        """Adjust factors of the stocks that go ex on ``day``; none is a valid answer."""
        import baostock

        return self._query(
            "query_daily_adjust_factor",
            lambda: baostock.query_daily_adjust_factor(str(day)),
            FACTOR_FIELDS,
            paged=False,
        )

    def adjust_factors(self, code: str, start: date, end: date) -> Table:
        """One stock's adjust factors with ex-dates from ``start`` to ``end``; none is a valid answer."""
        import baostock

        return self._query(
            "query_adjust_factor",
            lambda: baostock.query_adjust_factor(code, str(start), str(end)),
            FACTOR_FIELDS,
            echo={"code": code},
        )

    # ------------------------------------------------------------------ one message

    def _login(self) -> None:
        import baostock

        self._transport.connect()
        if self._config.api_key:
            baostock.set_API_key(self._config.api_key)
        result = self._quietly(lambda: baostock.login(self._config.user, self._config.password))
        if result.error_code != "0":  # refused by the client itself, before anything was sent
            raise _refusal("login", result.error_code, result.error_msg)

    def _send(self, message: str) -> str:
        """Stand in for ``baostock.util.socketutil.send_msg``: the client's every message comes through here."""
        try:
            return self._logged_in(message)
        except SourceRefused as error:
            if error.code == BLACKLISTED:
                log.warning("%s", error)
                with contextlib.suppress(StoreUnavailable):  # the refusal is what is not to be tried again
                    self._gate.admit(1)  # the ledger knows of the ban now, and until when it lasts
            raise

    def _logged_in(self, message: str) -> str:
        body = message[HEADER_BYTES:].split(SEPARATOR)[:-1]  # the last part is the checksum
        method = body[0]
        try:
            return self._counted(method, body, message)
        except NotLoggedIn:
            if method in ("login", "logout"):
                raise
            log.warning("Baostock lost the session; logging in again once.")
            self._login()
            return self._counted(method, body, message)

    def _counted(self, method: str, body: list[str], message: str) -> str:
        # A login's message holds the password and the API key; its ledger entry says only that it was one.
        detail = "" if method in ("login", "logout") else " ".join(body[2:])
        request_id = self._gate.begin(method, detail[:200])
        self.requests += 1
        reply = ""
        outcome = "no reply"
        try:
            reply = self._transport.exchange(message, guard=self._gate)
            outcome = _check_reply(method, body, reply)
        except AshareError as error:
            outcome = getattr(error, "code", type(error).__name__)
            raise
        finally:
            self._record_end(request_id, outcome, len(reply))
        return _keep_spaces(reply) if method == "query_stock_basic" else reply

    def _record_end(self, request_id: int, outcome: str, reply_chars: int) -> None:
        try:
            self._gate.end(request_id, outcome, reply_chars)
        except AshareError:
            if outcome == "ok":
                raise
            # What the request met with is the error to be told.
            log.warning("The end of request %d (%s) could not be recorded.", request_id, outcome)

    def _query(
        self,
        method: str,
        call: Callable[[], Any],
        columns: Sequence[str],
        *,
        paged: bool = True,
        echo: dict[str, str] | None = None,
    ) -> Table:
        result = self._quietly(call)
        if result is None or result.error_code != "0":
            raise TerminalError(
                f"The Baostock client refused to ask {method}: {getattr(result, 'error_msg', 'bad argument')}"
            )
        for name, value in (echo or {}).items():
            if getattr(result, name) != value:
                got = getattr(result, name)
                raise BadReply(f"Baostock answered {method} for {name} {got} instead of {value}.")
        rows: list[list[str]] = list(result.data)
        while paged and len(result.data) == PAGE_ROWS:
            result.cur_row_num = PAGE_ROWS
            if not self._quietly(result.next):
                break
            rows += result.data
        if paged and len(result.data) > PAGE_ROWS:
            raise BadReply(f"A page of Baostock's reply to {method} has more than {PAGE_ROWS} rows.")
        if set(map(type, rows)) != {list} or set(map(type, chain.from_iterable(rows))) != {str}:
            # A missing value is a blank, but JSON has null and numbers, too.
            rows = [["" if value is None else str(value) for value in row] for row in rows]
        return Table(list(result.fields), rows).require(columns, method)

    def _quietly(self, call: Callable[[], Any]) -> Any:
        """Call the client without its printing, and turn what it trips over into an error of ours."""
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                return call()
        except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
            raise BadReply(f"Baostock's reply cannot be read ({type(error).__name__}: {error}).") from error

    def _close(self) -> None:
        self._transport.close()
        self._client.close()
        self._gate.close()


@contextlib.contextmanager
def _carried_by(send: Callable[[str], str]) -> Iterator[None]:
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


def _check_reply(method: str, asked: list[str], reply: str) -> str:
    """Raise unless the reply succeeded and answers what was asked; returns the outcome for the ledger."""
    body = reply[HEADER_BYTES:].split(SEPARATOR)
    if len(body) < 2:
        raise BadReply(f"Baostock's reply to {method} has no result code.")
    code, text = body[0], body[1]
    if code != "0":
        raise _refusal(method, code, text)
    if len(body) < 4 or body[2] != method:
        answered = body[2] if len(body) > 2 else "nothing"
        raise BadReply(f"Baostock answered {answered} when {method} was asked.")
    has_pages = len(asked) > 3 and asked[3] == str(PAGE_ROWS)
    if has_pages and (len(body) < 5 or body[4] != asked[2]):
        raise BadReply(f"Baostock answered {method} with another page than page {asked[2]}.")
    return "ok"


def _refusal(method: str, code: str, text: str) -> AshareError:
    """The error for a result code (baostock.common.contants)."""
    said = f"Baostock answered {method} with {code} ({text.strip()})"
    if code == "10001001":
        return NotLoggedIn(f"{said}: the session was lost.")
    if code == BLACKLISTED:
        return SourceRefused(f"{said}: this address is blacklisted; wait for the ban to end.", code)
    if code.startswith("10001"):
        return SourceRefused(f"{said}.", code)
    if code.startswith("10002"):
        return SourceUnreachable(f"{said}.")
    if code in ("10004001", "10004002", "10004003", "10004004") or not code.startswith("10004"):
        return BadReply(f"{said}.")
    return TerminalError(f"{said}: the request itself is wrong.")


def _keep_spaces(reply: str) -> str:
    """Escape the spaces inside values ("万 科A"), which the client would delete with all other white space."""
    body = reply.split(SEPARATOR)
    for at, part in enumerate(body):
        if part.lstrip().startswith("{"):
            try:
                record = json.loads(part)
            except ValueError:
                return reply  # the client trips over it, and that is reported
            body[at] = json.dumps(record, ensure_ascii=False, separators=(",", ":")).replace(" ", "\\u0020")
    return SEPARATOR.join(body)
