"""The only way to Baostock: a session that holds the lock, counts every message and checks every reply."""

from __future__ import annotations

import contextlib
import io
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from datetime import date, timedelta
from itertools import chain
from types import TracebackType
from typing import Any, TypeVar

from ashare.errors import (
    BLACKLISTED,
    AshareError,
    BadReply,
    BudgetSpent,
    NotLoggedIn,
    NotPublishedYet,
    SourceDropped,
    SourceRefused,
    SourceStalled,
    SourceUnreachable,
    StoreUnavailable,
    TerminalError,
)
from ashare.source.calls import Calls
from ashare.source.client_messages import carried_by
from ashare.source.config import SourceConfig
from ashare.source.replies import PAGE_ROWS, Table, check_reply, keep_spaces, refusal, rows_a_page
from ashare.source.request_gate import Gate
from ashare.source.transport import HEADER_BYTES, SEPARATOR, Transport

log = logging.getLogger(__name__)

Result = TypeVar("Result")

LOGIN_AND_LOGOUT = 2

YEAR = timedelta(days=366)
"""When Baostock stalls on a range, only a longer range than this is split."""

ANSWERS_OF_A_LASTING_SESSION = 10
"""A session lost after fewer answers is short: its login and its lost request are a large share of its requests."""
MOST_SHORT_SESSIONS = 3
"""Maximum short sessions in a row that are reopened."""


class Session(Calls):
    """A Baostock session as a context manager: lock, connect, log in; at the end log out, close, unlock.

    If Baostock drops the session, it is reopened under the same lock and the lost request is sent again, as long as
    the reopened sessions bring answers.

    :param requests: minimum number of calls and pages, login and logout not counted.
    :raises SourceBusy: on entering: another session held the lock for too long.
    :raises Postponed: on entering: ``requests`` requests may not be sent now, and nothing was sent. Later: a call
        may not be sent, or Baostock has just blacklisted this address.
    :raises SourceUnreachable: the connection cannot be opened, broke or stalled.
    :raises SourceRefused: Baostock refuses (a ban, a limit, a permission); never retry at once.
    :raises BadReply: a reply is not the whole, well-formed answer to its request.
    """

    def __init__(self, config: SourceConfig, gate: Gate, requests: int = 1) -> None:
        self._config, self._gate, self._expected = config, gate, requests
        self._transport = Transport(*config.address, config.limits)
        self._client = contextlib.ExitStack()
        self.requests = 0
        self._sent = self._answered = 0
        """Messages sent since the last connect, queries answered since the last login."""
        self._meanwhile: Callable[[], None] | None = None
        self._short_sessions = 0
        self._longest_range = timedelta.max
        """Maximum range of a request for bars; shortened when Baostock stalls."""

    def __enter__(self) -> Session:
        self._gate.open(self._with_logins(self._expected))
        try:
            self._client.enter_context(carried_by(self._send))
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
            # If the last reply was not read to its end, or Baostock refuses us, only close the connection.
            in_step = error is None or isinstance(error, (BadReply, BudgetSpent, NotPublishedYet, TerminalError))
            if in_step and self._transport.is_open and not isinstance(error, SourceRefused):
                self._quietly(baostock.logout)
        except AshareError as problem:
            log.warning("Logging out of Baostock failed, the connection is closed all the same: %s", problem)
        finally:
            self._close()

    def check_reachable(self) -> None:
        """Open a connection and close it again, without a message: nothing counts against the budget.

        :raises SourceBusy: another session holds the lock.
        :raises Postponed: a ban is in force, or the day's budget is exceeded.
        :raises SourceUnreachable: the connection cannot be opened.
        """
        self._gate.open(0)
        try:
            self._connect()
        finally:
            self._close()

    def expect(self, requests: int) -> None:
        """Ensure that ``requests`` more calls and pages, and the logout, may be sent.

        :raises Postponed: they may not be sent now.
        """
        self._gate.admit(self._with_logins(requests) - 1)

    def give_way(self) -> None:
        """Between two calls: if other sessions wait for the lock, release it, and acquire it again after them.

        :raises AshareError: as on entering.
        """
        if self._gate.should_give_way():
            log.info("Others wait for the connection to Baostock: it is given to them, and taken again after them.")
            self.__exit__(None, None, None)
            self.__enter__()

    def begin_meanwhile(self, begin: Callable[[], None]) -> None:
        """Call ``begin`` once the next message is sent: what it begins must not hold up that message."""
        self._meanwhile = begin

    def wait_for(self, work: Future[Result]) -> Result:
        """Wait for other work between two calls. If the lock is lost meanwhile, the connection is closed at once.

        :raises StoreUnavailable: the lock is lost.
        """
        self._transport.wait_for(work, self._gate)
        return work.result()

    def bars(self, code: str, start: date, end: date) -> Table:
        """Unadjusted daily bars of one security from ``start`` to ``end``, both included.

        If Baostock stalls on a range, the range is split into halves, down to a year. After that, this session
        requests no longer range.
        """
        parts: list[Table] = []
        while not parts or start <= end:
            last = start + min(end - start, self._longest_range)
            try:
                parts.append(self._bars_of(code, start, last))
            except SourceStalled as stalled:
                if last - start <= YEAR:
                    raise
                self._longest_range = max((last - start) / 2, YEAR)
                log.warning("%s %s is asked for in parts of %d days.", stalled, code, self._longest_range.days)
                self._gate.admit(self._with_logins(2))
                self._login()
            else:
                start = last + timedelta(days=1)
        return Table.joined(parts)

    # ------------------------------------------------------------------ one message

    def _login(self) -> None:
        import baostock

        self._gate.check()  # the lock may have been lost in a pause: then another session is connected
        self._connect()
        self._sent = self._answered = 0
        if self._config.api_key:
            baostock.set_API_key(self._config.api_key)
        result = self._quietly(lambda: baostock.login(self._config.user, self._config.password))
        if result.error_code != "0":  # the client itself refuses, before it sends anything
            raise refusal("login", result.error_code, result.error_msg)

    def _connect(self) -> None:
        try:
            self._transport.connect()
        except SourceUnreachable as error:
            with contextlib.suppress(AshareError):  # the connection's own error is the one to raise
                self._gate.record_outage(str(error))
            raise

    def _send(self, message: str) -> str:
        """Replacement of ``baostock.util.socketutil.send_msg``: every message of the client passes through here."""
        try:
            return self._delivered(message)
        except SourceRefused as error:
            if error.code == BLACKLISTED:
                log.warning("%s", error)
                with contextlib.suppress(StoreUnavailable):  # without a ledger, raise the refusal: never retried
                    self._gate.admit(1)  # raises SourceBanned: the ledger now knows the ban and its end
            raise

    def _delivered(self, message: str) -> str:
        """Send a message and return its reply. If the session is lost, a query is sent again in a new session."""
        body = message[HEADER_BYTES:].split(SEPARATOR)[:-1]  # the last part is the checksum
        method = body[0]
        if method in ("login", "logout"):
            return self._counted(method, body, message)
        if self._config.session_requests and self._sent > self._queries_a_session:
            self._renew()
        is_first_try = True
        while True:
            try:
                reply = self._counted(method, body, message)
            except (SourceDropped, NotLoggedIn) as lost:
                # Baostock drops the connection on its first query: a new connection would be dropped, too.
                if not self._answered and not (is_first_try and isinstance(lost, NotLoggedIn)):
                    raise
                self._reopen(lost)
                is_first_try = False
            else:
                self._answered += 1
                return reply

    def _reopen(self, lost: AshareError) -> None:
        """Log in again after a backoff.

        :raises AshareError: too many sessions in a row were short; the error is ``lost``.
        :raises Postponed: the login and the query may not be sent now.
        """
        answered = self._answered
        self._short_sessions = 0 if answered >= ANSWERS_OF_A_LASTING_SESSION else self._short_sessions + 1
        if self._short_sessions > MOST_SHORT_SESSIONS:
            raise lost
        self._gate.admit(self._with_logins(1))
        pause = self._config.limits.reopen * 2**self._short_sessions
        log.warning("%s The session answered %d queries; it is opened again in %g s.", lost, answered, pause)
        time.sleep(pause)
        self._login()

    def _renew(self) -> None:
        """Log out and log in again."""
        import baostock

        try:
            self._quietly(baostock.logout)
        except (SourceUnreachable, NotLoggedIn, BadReply) as problem:
            log.warning("Logging out of Baostock failed, a new session is opened all the same: %s", problem)
        self._login()

    @property
    def _queries_a_session(self) -> int:
        return max(self._config.session_requests - LOGIN_AND_LOGOUT, 1)

    def _with_logins(self, requests: int) -> int:
        """``requests`` calls and pages, plus the logins and logouts of the sessions that they need."""
        sessions = -(-requests // self._queries_a_session) if self._config.session_requests else 1
        return requests + LOGIN_AND_LOGOUT * max(sessions, 1)

    def _counted(self, method: str, body: list[str], message: str) -> str:
        # A login's message holds the password and the API key, so its ledger entry has no detail.
        detail = "" if method in ("login", "logout") else " ".join(body[2:])
        request_id = self._gate.begin(method, detail[:200])
        self.requests += 1
        self._sent += 1
        reply = ""
        outcome = "no reply"
        try:
            meanwhile, self._meanwhile = self._meanwhile, None
            reply = self._transport.exchange(message, self._gate, meanwhile)
            outcome = check_reply(method, body, reply)
        except AshareError as error:
            outcome = getattr(error, "code", type(error).__name__)
            raise
        finally:
            self._record_end(request_id, outcome, len(reply))
        return keep_spaces(reply)

    def _record_end(self, request_id: int, outcome: str, reply_chars: int) -> None:
        try:
            self._gate.end(request_id, outcome, reply_chars)
        except AshareError:
            if outcome == "ok":
                raise
            # The request's own error is the one to raise.
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
        rows: list[list[str]] = self._pages(result, method) if paged else list(result.data)
        if set(map(type, rows)) != {list} or set(map(type, chain.from_iterable(rows))) != {str}:
            # A missing value is a blank string here; Baostock's JSON may also hold null and numbers.
            rows = [["" if value is None else str(value) for value in row] for row in rows]
        return Table(list(result.fields), rows).require(columns, method)

    def _pages(self, result: Any, method: str) -> list[list[str]]:
        """The rows of all pages; ``result`` holds the first page."""
        rows: list[list[str]] = []
        page_rows = rows_a_page(result)
        while True:
            rows += result.data
            if len(result.data) > page_rows:
                raise BadReply(f"A page of Baostock's reply to {method} has more than {page_rows} rows.")
            if len(result.data) not in (page_rows, PAGE_ROWS) or not self._turn(result):
                return rows
            if rows_a_page(result) != page_rows:
                raise BadReply(f"The pages of Baostock's reply to {method} are not of one size.")

    def _turn(self, result: Any) -> bool:
        """Request the next page; return whether it has rows.

        The client requests a next page only if the last page has the page size of its constant. So the constant is
        patched to the last page's size for the call.
        """
        from baostock.common import contants

        asked = contants.BAOSTOCK_PER_PAGE_COUNT
        contants.BAOSTOCK_PER_PAGE_COUNT = result.cur_row_num = len(result.data)
        try:
            return bool(self._quietly(result.next))
        finally:
            contants.BAOSTOCK_PER_PAGE_COUNT = asked

    def _quietly(self, call: Callable[[], Any]) -> Any:
        """Call the client with its output suppressed, and convert its parse errors to ``BadReply``."""
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                return call()
        except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
            raise BadReply(f"Baostock's reply cannot be read ({type(error).__name__}: {error}).") from error

    def _close(self) -> None:
        self._transport.close()
        self._client.close()
        self._gate.close()
