"""The end: everything that the soak promises, each found false as a sentence or a line of a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from ashare.dates import SHANGHAI
from ashare.settings import DEFAULT_INDICES, Settings
from ashare_emulator.market import COLUMNS, INDEX, Row
from ashare_local.terminal import console, print_columns
from tests.soak.world import BEFORE, World

SHOWN = 20

Key = tuple[date, str]
Values = tuple[object, ...]


def _number(text: str) -> Decimal | None:
    return Decimal(text) if text else None


def _flag(text: str) -> bool | None:
    return text == "1" if text else None


# Column of the table -> column of the source, and how its text is read. Said here once more, on purpose: what the
# package makes of a bar is what is tested.
BAR: dict[str, tuple[str, Callable[[str], object]]] = {
    "open": ("open", _number),
    "high": ("high", _number),
    "low": ("low", _number),
    "close": ("close", _number),
    "preclose": ("preclose", _number),
    "volume": ("volume", lambda text: int(text) if text else None),
    "amount": ("amount", _number),
    "turn": ("turn", _number),
    "pct_chg": ("pctChg", _number),
    "is_trading": ("tradestatus", lambda text: text != "0"),
    "is_st": ("isST", _flag),
    "pe_ttm": ("peTTM", _number),
    "pb_mrq": ("pbMRQ", _number),
    "ps_ttm": ("psTTM", _number),
    "pcf_ncf_ttm": ("pcfNcfTTM", _number),
}
NOT_OF_THE_SOURCE = {"trade_date", "code", "loaded_at"}

WHY = """
WITH bar (trade_date, code) AS (VALUES (%s::date, %s::text))
SELECT 'absent_bar: ' || reason FROM ashare.absent_bar JOIN bar USING (trade_date, code)
UNION ALL
SELECT 'rejected_bar: ' || rule FROM ashare.rejected_bar JOIN bar USING (trade_date, code) WHERE superseded_at IS NULL
UNION ALL
SELECT 'security: is of kind ' || kind FROM ashare.security JOIN bar USING (code) WHERE kind NOT IN ('stock', 'index')
UNION ALL
SELECT 'security: is not there' FROM bar WHERE code NOT IN (SELECT code FROM ashare.security)
LIMIT 1
"""
COLUMNS_OF_BAR = """
SELECT column_name FROM information_schema.columns WHERE table_schema = 'ashare' AND table_name = 'daily_bar'
"""


@dataclass(frozen=True)
class Difference:
    """A value that is not the market's, or (``column`` is ``*``) a bar that is not there, or should not be."""

    day: date
    code: str
    column: str
    expected: object
    found: object


def problems(world: World) -> list[str]:
    """What of the promises does not hold; none is a passed soak. Differing bars are printed."""
    found = list(_problems_of_bars(world))
    found += _problems_of_status(world)
    found += [
        f"Connections {first.id} and {second.id} to the source were open at once: {first.opened_at}, for "
        f"{(first.closed or second.opened) - first.opened:.3f} s, and {second.opened_at}, which began "
        f"{1000 * ((first.closed or second.opened) - second.opened):.1f} ms before the first was closed."
        for first, second in world.emulator.overlaps()
    ]
    found += _problems_of_ledger(world)
    return found


# -- bars


def _expected_bars(world: World, first: date) -> dict[Key, Values]:
    """The market's bars of all stocks and of the default indices, on all its open days from ``first`` on."""
    kinds = {security.code: security.type for security in world.market.securities()}
    expected = {}
    for day, is_open in world.market.trade_dates(first, world.last):
        if is_open:
            for row in world.market.bars_on(day, "stock"):
                expected[_key(row)] = _values(row)
    for code in DEFAULT_INDICES:
        assert kinds[code] == INDEX, code
        for row in world.market.bars_of(code, first, world.last):
            expected[_key(row)] = _values(row)
    return expected


def _key(row: Row) -> Key:
    return date.fromisoformat(row[COLUMNS.index("date")]), row[COLUMNS.index("code")]


def _values(row: Row) -> Values:
    return tuple(read(row[COLUMNS.index(name)]) for name, read in BAR.values())


def _problems_of_bars(world: World) -> Iterator[str]:
    unknown = {name for (name,) in world.ask(COLUMNS_OF_BAR)} - BAR.keys() - NOT_OF_THE_SOURCE
    if unknown:
        yield f"ashare.daily_bar has columns that tests/soak/verify.py does not compare: {', '.join(unknown)}."
    rows = world.ask(f"SELECT trade_date, code, {', '.join(BAR)} FROM ashare.daily_bar")
    found = {(row[0], row[1]): tuple(row[2:]) for row in rows}
    world.figures["rows at the end"] = len(found)
    differences = sorted(_differences(world, found), key=lambda d: (d.day, d.code, d.column))
    if differences:
        _show(world, differences)
        lost = sum(d.column == "*" and d.found is None for d in differences)
        more = sum(d.column == "*" and d.expected is None for d in differences)
        yield (
            f"ashare.daily_bar is not the market: {lost} bars are lacking, {more} should not be there, "
            f"{len(differences) - lost - more} values differ."
        )


def _differences(world: World, found: dict[Key, Values]) -> Iterator[Difference]:
    # Days before the first may have been read, too, by whatever looks back; they have to be right if they are there.
    expected = _expected_bars(world, world.first - BEFORE)
    for day, code in expected:
        if day >= world.first and (day, code) not in found:
            yield Difference(day, code, "*", "a bar", None)
    for (day, code), values in found.items():
        wanted = expected.get((day, code))
        if wanted is None:
            yield Difference(day, code, "*", None, "a bar")
            continue
        for name, want, value in zip(BAR, wanted, values, strict=True):
            if want != value:
                yield Difference(day, code, name, want, value)


def _show(world: World, differences: list[Difference]) -> None:
    lines = []
    for d in differences[:SHOWN]:
        why = world.ask(WHY, d.day, d.code) if d.column == "*" else []
        lines.append((d.day, d.code, d.column, d.expected, d.found, why[0][0] if why else None))
    names = ("trade_date", "code", "column", "expected", "found", "recorded")
    title = f"ashare.daily_bar and the market, the first {len(lines)} of {len(differences)} differences"
    print_columns(title, names, lines, left=names)


# -- status and ledger


def _problems_of_status(world: World) -> Iterator[str]:
    states = dict(world.ask("SELECT trade_date, status FROM ashare.sync_status"))
    wanted = {
        day: "success" if is_open else "skipped"
        for day, is_open in world.market.trade_dates(world.first, world.last)
        if day.weekday() < 5
    }
    for day, want in wanted.items():
        state = states.get(day, "not there")
        if state != want:
            rows = world.ask("SELECT reason FROM ashare.sync_status WHERE trade_date = %s", day)
            yield f"sync_status of {day} is {state} instead of {want}: {rows[0][0] if rows else ''}"
    world.figures["dates at the end"] = len(wanted)


def _problems_of_ledger(world: World) -> Iterator[str]:
    """Every request was recorded before it was sent; what was recorded and not sent has no answer."""
    seen = Counter(request.method for request in world.emulator.requests)
    recorded: Counter[str] = Counter()
    answered: Counter[str] = Counter()
    for method, outcome, count in world.ask(
        "SELECT method, outcome, count(*) FROM ashare.source_request GROUP BY 1, 2"
    ):
        recorded[method] += count
        answered[method] += count if outcome == "ok" else 0
    for method in sorted(seen | recorded):
        if not answered[method] <= seen[method] <= recorded[method]:
            yield (
                f"{method}: {recorded[method]} requests are in ashare.source_request, {answered[method]} of them "
                f"answered, but {seen[method]} reached the source."
            )
    world.figures["requests in the ledger"] = recorded.total()
    world.figures["requests that reached the source"] = seen.total()
    budget = Settings().request_budget
    for what, days in (("ashare.source_request", _ledger_days(world)), ("the source", _source_days(world))):
        for day, count in days.items():
            if count > budget:
                yield f"{count} requests on {day} (Beijing) by {what}: the budget is {budget}."
        world.figures["requests on the busiest day"] = max(days.values(), default=0)


def _ledger_days(world: World) -> dict[Any, int]:
    query = "SELECT (requested_at AT TIME ZONE 'Asia/Shanghai')::date, count(*) FROM ashare.source_request GROUP BY 1"
    return dict(world.ask(query))


def _source_days(world: World) -> dict[Any, int]:
    times = (datetime.fromisoformat(request.started_at) for request in world.emulator.requests)
    return dict(Counter(time.astimezone(SHANGHAI).date() for time in times))


def show_factors_that_differ(world: World) -> None:
    """Print the adjust factors that are not the market's as it published them.

    Told, but no reason to fail: that nobody goes ex on a day is a good answer, and an injected empty reply is the
    same to the byte. Where prices show that a factor is lacking, the status says so.
    """
    query = "SELECT code, ex_date, fore_factor, back_factor FROM ashare.adjust_factor WHERE ex_date BETWEEN %s AND %s"
    found = {(code, day): factors for code, day, *factors in world.ask(query, world.first, world.last)}
    wanted = {
        (factor.code, day): [Decimal(factor.fore), Decimal(factor.back)]
        for day, is_open in world.market.trade_dates(world.first, world.last)
        for factor in (world.market.factors_on(day) if is_open else ())
    }
    world.figures["adjust factors at the end"] = len(found)
    lines = []
    for code, day in sorted(found.keys() | wanted.keys()):
        if found.get((code, day)) != wanted.get((code, day)):
            ((reason,),) = world.ask("SELECT reason FROM ashare.sync_status WHERE trade_date = %s", day)
            lines.append((code, day, _text(wanted.get((code, day))), _text(found.get((code, day))), reason))
    world.figures["adjust factors that differ"] = len(lines)
    if lines:
        names = ("code", "ex_date", "expected", "found", "sync_status.reason")
        print_columns("ashare.adjust_factor and the market (no reason to fail)", names, lines[:SHOWN], left=names)


def _text(factors: list[Decimal] | None) -> str:
    return ", ".join(map(str, factors)) if factors else ""


def say(found: list[str]) -> None:
    """Print what was found, or that nothing was."""
    for problem in found[:SHOWN]:
        console.print(f"FAILED  {problem}", style="red", markup=False)
    if len(found) > SHOWN:
        console.print(f"... and {len(found) - SHOWN} more.", style="red")
