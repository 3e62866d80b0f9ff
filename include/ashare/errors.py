"""Errors by what can be done about them: the type says whether a retry makes sense."""

from __future__ import annotations

from datetime import datetime

BLACKLISTED = "10001011"
"""Baostock's error code for a banned (blacklisted) address."""


class AshareError(Exception):
    """Base of all errors of this package. The text is one sentence for an operator, without secrets."""


class InvalidInput(AshareError):
    """A parameter, setting or connection is wrong; a retry cannot help."""


class TransientError(AshareError):
    """A temporary failure; the same step can be retried."""


class TerminalError(AshareError):
    """A retry cannot help, or would do harm; a person has to act."""


class SourceUnreachable(TransientError):
    """The connection to Baostock cannot be opened, broke or stalled."""


class SourceDropped(SourceUnreachable):
    """Baostock or the network closed the connection."""


class SourceStalled(SourceUnreachable):
    """Baostock's reply did not begin or did not end within the time limits."""


class BadReply(TransientError):
    """Baostock's reply is incomplete, malformed, or does not answer the request."""


class Postponed(TransientError):
    """Nothing is broken, but the step has to be retried later.

    :ivar until: when to retry; ``None``: at the next poll.
    """

    def __init__(self, message: str, until: datetime | None = None) -> None:
        super().__init__(message)
        self.until = until


class NotPublishedYet(Postponed):
    """Baostock has not published all of today's data. The published part is loaded; a later retry gets the rest."""


class BudgetSpent(Postponed):
    """The day's request budget is spent, or too little of it is left. The step goes on when the next day begins."""


class SourceBanned(Postponed):
    """Baostock has blacklisted this address (10001011). Nothing is sent until the ban ends."""


class NotLoggedIn(TransientError):
    """Baostock lost the session (10001001). One new login is worth a try."""


class SourceRefused(TerminalError):
    """Baostock refuses (a login limit, a permission, an outdated client). A retry makes it worse.

    :ivar code: Baostock's error code, for example ``10001006`` (no permission).
    """

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


class SourceBusy(TransientError):
    """Another session held the lock on the one connection to Baostock for longer than the lock timeout."""


class StoreUnavailable(TransientError):
    """PostgreSQL cannot be reached or went away; uncommitted changes are lost."""


class StoreBusy(StoreUnavailable):
    """Another session held a lock in the database for longer than the lock timeout; the text says which session."""


class StoreRefused(TerminalError):
    """PostgreSQL refuses a statement, and would refuse a retry."""


class NotVerified(TerminalError):
    """A complete trade date could not be read again and compared; what is loaded stays."""


class IncompleteDate(TransientError):
    """A trade date, or a week of a list, is not complete; the text says what is missing and why."""
