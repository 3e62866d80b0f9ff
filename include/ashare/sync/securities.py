"""Checks of Baostock's list of securities, row by row: a bad row is set aside, the other rows are kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from ashare.checks import is_code, is_date
from ashare.datasets import KINDS
from ashare.errors import BadReply
from ashare.source import Table
from ashare.store.rows import RejectedRow, Security
from ashare.texts import storable

KIND_OF_TYPE = {"1": "stock", "2": "index", "3": "other", "4": "bond", "5": "etf"}
"""Kind by Baostock's type of a security. Bars are loaded of some of these kinds only (``KINDS``)."""

COLUMNS = ("code", "code_name", "ipoDate", "outDate", "type", "status")

OLDEST = "1990-01-01"
"""The first securities were listed in December 1990; an earlier date is a filler."""

MOST_BAD = 0.02
"""The share of rows of loaded kinds that may be garbled. A list with more of them is refused."""


@dataclass
class SecurityList:
    """The good rows, and the rows that broke a rule: each is set aside, or taken as its rule says."""

    good: list[Security] = field(default_factory=list)
    odd: list[RejectedRow] = field(default_factory=list)

    @property
    def codes(self) -> set[str]:
        """All codes of the list, including those of bad rows."""
        return {security.code for security in self.good} | {row.code for row in self.odd}

    @property
    def has_unreadable_codes(self) -> bool:
        """Whether a row of a loaded kind has an unreadable code: the list may have a code that it seems to lack."""
        return any(not is_code(row.code) and _kind(row.raw, {}) in KINDS for row in self.odd)


def check_securities(table: Table, known: Mapping[str, str], today: date, few: int) -> SecurityList:
    """Check the list row by row.

    :param known: kind by code, from earlier lists.
    :param few: number of garbled rows that even a short list may have.
    :raises BadReply: too many rows of loaded kinds are garbled, or fewer than half of them are good.
    """
    checked = SecurityList()
    # Identical rows count once.
    rows = [dict(zip(COLUMNS, values, strict=True)) for values in dict.fromkeys(table.columns(*COLUMNS))]
    times = Counter(row["code"] for row in rows)
    bad = loaded = good = 0
    for row in rows:
        garbled = _garbled(row, known.get(row["code"]))
        if times[row["code"]] > 1:
            garbled = "another row for the same code says otherwise"
        is_loaded = _kind(row, known) in KINDS
        loaded += is_loaded
        if rule := garbled or _contradiction(row, today):
            bad += is_loaded and garbled is not None
            checked.odd.append(RejectedRow(row["code"], rule, row))
            continue
        good += is_loaded
        out = date.fromisoformat(row["outDate"]) if row["outDate"] else None
        if out and out < today and row["status"] == "1":
            rule = f"listed by its status, and delisted on {out} by its date: taken for listed"
            checked.odd.append(RejectedRow(row["code"], rule, row, is_taken=True))
            out = None
        ipo = date.fromisoformat(row["ipoDate"]) if row["ipoDate"] else None
        name = storable(row["code_name"]) or None
        checked.good.append(Security(row["code"], name, KIND_OF_TYPE.get(row["type"], "other"), ipo, out))
    if bad > max(few, MOST_BAD * loaded) or good < loaded / 2:
        example = next((f", {row.code} for one: {row.rule}" for row in checked.odd if not row.is_taken), "")
        raise BadReply(
            f"Of the {loaded} stocks, indices and ETFs in Baostock's list of securities, {loaded - good} have "
            f"invalid rows{storable(example)}; nothing of it was kept."
        )
    return checked


def _kind(row: Mapping[str, str], known: Mapping[str, str]) -> str:
    """The kind of a row's security.

    Without a known type, it is the kind of the code in earlier lists; for a new code, ``other`` if the type is a
    number, else ``stock``: a row with a garbled type counts as one of a loaded kind.
    """
    if row["type"] in KIND_OF_TYPE:
        return KIND_OF_TYPE[row["type"]]
    return known.get(row["code"], "other" if _is_number(row["type"]) else "stock")


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 3


def _garbled(row: Mapping[str, str], known_kind: str | None) -> str | None:
    """The rule that an unreadable row breaks; ``None`` if the row is readable."""
    if not is_code(row["code"]):
        return "the code is none (an exchange and six digits)"
    if row["type"] not in KIND_OF_TYPE and (known_kind in KINDS or not _is_number(row["type"])):
        return "the type is none of 1 to 5"
    if row["status"] not in ("0", "1", ""):
        return "the status is neither 0 nor 1"
    if row["ipoDate"] and not is_date(row["ipoDate"]):
        return "the day of listing is no date"
    if row["outDate"] and not is_date(row["outDate"]):
        return "the day of delisting is no date"
    return None


def _contradiction(row: Mapping[str, str], today: date) -> str | None:
    """The rule that a readable row breaks by contradicting itself; ``None`` if it does not.

    Many such rows are no sign of a garbled list.
    """
    ipo, out = row["ipoDate"], row["outDate"]
    if ipo and ipo < OLDEST:
        return "listed before there was an exchange"
    if row["status"] == "0" and not out:
        return "delisted by its status, and the day of delisting is lacking"
    if out and out < (ipo or OLDEST) and not (row["status"] == "1" and out < str(today)):
        return "the day of delisting is before that of listing"
    return None
