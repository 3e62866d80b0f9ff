"""Checks the replies of weekly lists. A list is believed as a whole or not at all: a lost row would end a span."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from datetime import date

from ashare.checks import is_code, is_date
from ashare.datasets import INDUSTRIES, MEMBER_LISTS, NAMES, MemberList
from ashare.errors import BadReply
from ashare.source import Table
from ashare.store.weekly_lists import ListRow, WeeklyList
from ashare.texts import named


def update_date_of(table: Table, what: str) -> date:
    """The one ``updateDate`` of a reply.

    :raises BadReply: the reply has no rows, several dates, or something that is no date.
    """
    found = sorted(set(table.column("updateDate")))
    if not found:
        raise BadReply(f"Baostock sent no {what}: an empty list is not believed.")
    if len(found) > 1 or not is_date(found[0]):
        raise BadReply(f"Baostock's list of {what} has the updateDate {named(found)}: one date was expected.")
    return date.fromisoformat(found[0])


def read_members(table: Table, of: MemberList) -> list[ListRow]:
    """The members of an index, as rows of ``index_member``.

    :raises BadReply: a code is malformed or twice there, or their number is not the index's.
    """
    codes = _codes(table, f"members of {of.name}")
    if not of.fewest <= len(codes) <= of.members:
        raise BadReply(
            f"Baostock's list of members of {of.name} has {len(codes)}; {of.fewest} to {of.members} are believed."
        )
    return [(of.code, code) for code in codes]


def read_industries(table: Table, as_of: date, update_date: date) -> tuple[WeeklyList, WeeklyList]:
    """The industries and the names in one reply; a blank industry is ``None``, a blank name has no row.

    :raises BadReply: a code is malformed or twice there, or a row has no classification.
    """
    codes = _codes(table, "industries")
    texts = table.columns("code_name", "industry", "industryClassification")
    industries: list[ListRow] = []
    names: list[ListRow] = []
    for code, (name, industry, classification) in zip(codes, texts, strict=True):
        if not classification:
            raise BadReply(f"Baostock's list of industries has no classification for {code}.")
        industries.append((classification, code, industry or None))
        if name:
            names.append((code, name))
    return (
        WeeklyList(INDUSTRIES, as_of, update_date, industries),
        WeeklyList(NAMES, as_of, update_date, names),
    )


def _codes(table: Table, what: str) -> list[str]:
    codes = table.column("code")
    if malformed := [code for code in codes if not is_code(code)]:
        raise BadReply(f"Baostock's list of {what} has {len(malformed)} malformed codes ({named(malformed)}).")
    if repeated := [code for code, count in Counter(codes).items() if count > 1]:
        raise BadReply(f"Baostock's list of {what} has {len(repeated)} codes more than once ({named(repeated)}).")
    return codes


def check_listed(found: WeeklyList, listed: Collection[str], most: int) -> None:
    """Check that the members of indices are stocks that were listed.

    :param most: how many may not be: a code may have changed since.
    :raises BadReply: more are not.
    """
    unlisted = sorted({str(code) for _, code in found.rows} - set(listed))
    if len(unlisted) > most:
        raise BadReply(
            f"{len(unlisted)} members of indices were not listed on {found.as_of}, by the list of securities "
            f"({named(unlisted)}): the lists are not believed."
        )


def check_whole(found: WeeklyList, listed: Collection[str], most: int) -> None:
    """Check that the list of industries has the listed stocks.

    :param most: how many it may lack, at most half of them.
    :raises BadReply: it lacks more.
    """
    lacking = sorted(set(listed) - {str(row[1]) for row in found.rows})
    if len(lacking) > min(most, len(listed) // 2):
        raise BadReply(
            f"Baostock's list of industries of {found.as_of} has {len(found.rows)} rows and lacks {len(lacking)} of "
            f"{len(listed)} listed stocks ({named(lacking)}): it is not believed."
        )


def check_like(found: WeeklyList, other: Collection[ListRow], other_week: date) -> None:
    """Compare a list with the nearest week's: half of it does not change within half a year.

    :raises BadReply: more than half of what both could have in common differs; members are compared by index.
    """
    dataset = found.dataset
    if dataset.value is not None:
        before = {row[:-1]: row[-1] for row in other}
        both = [(row[-1], before[row[:-1]]) for row in found.rows if row[:-1] in before]
        _refuse(found, other_week, len(both), sum(new != old for new, old in both), dataset.plural)
        return
    for index, members in MEMBER_LISTS.items():
        was = {row for row in other if row[0] == index}
        now = [row for row in found.rows if row[0] == index]
        if was:
            _refuse(found, other_week, len(now), sum(row not in was for row in now), f"members of {members.name}")


def _refuse(found: WeeklyList, other_week: date, compared: int, differing: int, what: str) -> None:
    if 2 * differing > compared:
        raise BadReply(
            f"{differing} of {compared} {what} of {found.as_of} are not those of {other_week}: one of both lists is "
            "wrong, and the new one is not believed. If the old one is wrong, delete its row of ashare.snapshot, and "
            "run both weeks again."
        )
