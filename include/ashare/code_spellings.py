"""Reads a security's code as a person writes it: ``600000``, ``sh600000``, ``600000.SH`` or ``sh.600000``."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

EXCHANGES = ("sh", "sz", "bj")

_EXCHANGE = "|".join(EXCHANGES)
_matches = re.compile(rf"(?:({_EXCHANGE})[. ]?)?([0-9]{{1,6}})(?:[. ]?({_EXCHANGE}))?").fullmatch


@dataclass(frozen=True)
class CodeSpelling:
    """A code, or its first digits.

    :ivar exchange: ``sh``, ``sz`` or ``bj``; ``None``: not written.
    :ivar digits: one to six digits.
    """

    exchange: str | None
    digits: str

    @property
    def codes(self) -> tuple[str, ...]:
        """Baostock's codes that are meant; none if digits are missing, one for each exchange if none is written."""
        exchanges = EXCHANGES if self.exchange is None else (self.exchange,)
        return tuple(f"{exchange}.{self.digits}" for exchange in exchanges if len(self.digits) == 6)

    def position_in(self, code: str) -> int:
        """The position of the digits among those of one of Baostock's codes; -1: the code does not have them."""
        is_of_exchange = self.exchange is None or code.startswith(self.exchange)
        return code[3:].find(self.digits) if is_of_exchange else -1


def parse_code_spelling(text: str) -> CodeSpelling | None:
    """Read a code, or its first digits, in capital or small letters, of full or half width.

    :returns: ``None``: the text is no code, or names two exchanges.
    """
    found = _matches(unicodedata.normalize("NFKC", text).strip().lower())
    if found is None:
        return None
    before, digits, after = found.groups()
    if before and after and before != after:
        return None
    return CodeSpelling(before or after, digits)
