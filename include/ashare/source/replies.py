"""Reads Baostock's replies: checks that a reply answers the request, holds its rows, maps error codes to errors."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

from ashare.errors import (
    BLACKLISTED,
    AshareError,
    BadReply,
    NotLoggedIn,
    SourceRefused,
    SourceUnreachable,
    TerminalError,
)
from ashare.source.transport import HEADER_BYTES, SEPARATOR
from ashare.texts import bounded, storable

MOST_CHARACTERS = 300
"""Maximum characters of the server's error text that an error quotes."""

PAGE_ROWS = 2000
"""Page size that the client requests, in rows."""

WHITE_SPACE = re.compile(r"\s")


@dataclass(frozen=True)
class Table:
    """The table in a reply, with the rows of all pages.

    :ivar fields: column names as sent.
    :ivar rows: one list of strings per row; a blank is a missing value.
    """

    fields: list[str]
    rows: list[list[str]]

    def column(self, name: str) -> list[str]:
        """The named column's values."""
        at = self.fields.index(name)
        return [row[at] for row in self.rows]

    def columns(self, *names: str) -> Iterable[tuple[str, ...]]:
        """For each row, the values of two or more named columns, in the order of ``names``."""
        return map(itemgetter(*map(self.fields.index, names)), self.rows)

    def require(self, names: Sequence[str], method: str) -> Table:
        """Return this table if it is well-formed.

        :raises BadReply: a column of ``names`` is missing, or a row's width differs from the header's.
        """
        lacking = [name for name in names if name not in self.fields]
        if lacking:
            raise BadReply(f"Baostock's reply to {method} lacks the column {', '.join(lacking)}.")
        if any(len(row) != len(self.fields) for row in self.rows):
            raise BadReply(f"Baostock's reply to {method} has rows of another width than its header.")
        return self

    @classmethod
    def joined(cls, parts: Sequence[Table]) -> Table:
        """Concatenate the rows of one or more replies to one call.

        :raises BadReply: the columns of the replies differ.
        """
        if any(part.fields != parts[0].fields for part in parts):
            raise BadReply("Baostock's replies to one call differ in their columns.")
        return cls(parts[0].fields, [row for part in parts for row in part.rows])


def check_reply(method: str, asked: list[str], reply: str) -> str:
    """Check that a reply reports success and answers the request; return the outcome for the ledger.

    :param asked: the parts of the request's body.
    :raises BadReply: the reply has no result code, or answers another method or page.
    :raises AshareError: the reply has an error code; ``refusal`` names the types.
    """
    body = reply[HEADER_BYTES:].split(SEPARATOR)
    if len(body) < 2:
        raise BadReply(f"Baostock's reply to {method} has no result code.")
    code, text = body[0], body[1]
    if code != "0":
        raise refusal(method, code, text)
    if len(body) < 4 or body[2] != method:
        answered = body[2] if len(body) > 2 else "nothing"
        raise BadReply(f"Baostock answered {answered} when {method} was asked.")
    has_pages = len(asked) > 3 and asked[3] == str(PAGE_ROWS)
    if has_pages and (len(body) < 5 or body[4] != asked[2]):
        raise BadReply(f"Baostock answered {method} with another page than page {asked[2]}.")
    return "ok"


def rows_a_page(result: Any) -> int:
    """The server's page size in rows. The server may ignore the requested page size."""
    sentence = str(result.per_page_count)
    return int(sentence) if sentence.isdigit() else PAGE_ROWS


def refusal(method: str, code: str, text: str) -> AshareError:
    """The error for a result code; the codes are in baostock.common.contants."""
    code, text = bounded(storable(code), MOST_CHARACTERS), bounded(storable(text.strip()), MOST_CHARACTERS)
    sentence = f"Baostock answered {method} with {code} ({text})"
    if code == "10001001":
        return NotLoggedIn(f"{sentence}: the session was lost.")
    if code == BLACKLISTED:
        return SourceRefused(f"{sentence}: this address is blacklisted; wait for the ban to end.", code)
    if code.startswith("10001"):
        return SourceRefused(f"{sentence}.", code)
    if code.startswith("10002"):
        return SourceUnreachable(f"{sentence}.")
    if code in ("10004001", "10004002", "10004003", "10004004") or not code.startswith("10004"):
        return BadReply(f"{sentence}.")
    return TerminalError(f"{sentence}: the request itself is wrong.")


def keep_spaces(reply: str) -> str:
    """Escape the white space inside values ("万 科A"): the client deletes all white space from a reply's JSON."""
    body = reply.split(SEPARATOR)
    for at, part in enumerate(body):
        if part.lstrip().startswith("{") and WHITE_SPACE.search(part):
            try:
                record = json.loads(part)
            except ValueError:
                return reply  # the client fails on malformed JSON, and the session reports that
            text = json.dumps(record, ensure_ascii=False, separators=(",", ":"))
            body[at] = WHITE_SPACE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
    return SEPARATOR.join(body)
