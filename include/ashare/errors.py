"""Errors by what can be done about them: the type says whether trying again makes sense."""

from __future__ import annotations

from datetime import datetime

BLACKLISTED = "10001011"
"""Baostock's code for a banned address."""


class AshareError(Exception):
    """Base of all errors of this package. The text is one sentence for an operator, without secrets."""


class InvalidInput(AshareError):
    """A parameter, setting or connection is wrong; trying again cannot help."""


class TransientError(AshareError):
    """Something passing went wrong; the same step can be tried again."""


class TerminalError(AshareError):
    """Trying again cannot help, or would do harm; a person has to act."""


class SourceUnreachable(TransientError):
    """No connection to Baostock, or it broke or stalled."""


class SourceDropped(SourceUnreachable):
    """Baostock, or the network, ended the connection."""


class SourceStalled(SourceUnreachable):
    """Baostock did not answer, or not to the end, within the time limits."""


class BadReply(TransientError):
    """Baostock's reply is incomplete, malformed, or not the answer to what was asked."""


class Postponed(TransientError):
    """Nothing is broken, but the step has to be done again later.

    :ivar until: when; ``None``: at the next look.
    """

    def __init__(self, message: str, until: datetime | None = None) -> None:
        super().__init__(message)
        self.until = until


class NotPublishedYet(Postponed):
    """Today's data are not all out; what did come is loaded, and the rest is worth asking for again later."""


class BudgetSpent(Postponed):
    """The day's requests are used up, or what is left is too little: it goes on when the next day begins."""


class SourceBanned(Postponed):
    """Baostock has blacklisted this address (10001011): nothing is sent until the ban's end."""


class NotLoggedIn(TransientError):
    """Baostock lost the session (10001001): one fresh login is worth a try."""


class SourceRefused(TerminalError):
    """Baostock refuses (a login limit, a permission, an outdated client): asking again makes it worse.

    :ivar code: Baostock's error code, for example ``10001006`` (no permission).
    """

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


class SourceBusy(TransientError):
    """Someone else held the one connection to Baostock for longer than we wait."""


class StoreUnavailable(TransientError):
    """PostgreSQL cannot be reached or went away; what was not committed is not there."""


class StoreBusy(StoreUnavailable):
    """Another session held a lock in the database for longer than we wait; the text says which."""


class StoreRefused(TerminalError):
    """PostgreSQL does not take what is to be written, and would not the next time either."""


class IncompleteDate(TransientError):
    """A trade date is not complete; the text says what is missing and why."""
