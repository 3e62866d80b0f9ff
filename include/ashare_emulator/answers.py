"""The reply to each call: those rows of the market that are published at the time of the request."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property

from ashare_emulator import protocol
from ashare_emulator.market import COLUMNS, ETF, INDUSTRY_COLUMNS, MEMBER_COLUMNS, Factor, Market
from ashare_emulator.protocol import PAGE_ROWS, Reply, Request, RequestError
from ashare_emulator.reference_loads import CSI300, CSI500, SSE50

ETF_DAYS_FROM = date(2026, 1, 5)
"""The first trade date with bars of ETFs, in every call."""

INDEX_CALLS = {"query_hs300_stocks": CSI300, "query_sz50_stocks": SSE50, "query_zz500_stocks": CSI500}
"""Call to the index whose members are in the reply."""

Rows = Sequence[Sequence[str]]


@dataclass(frozen=True)
class Published:
    """The state of publication at the time of a request.

    :ivar today: the date of the service's clock.
    :ivar bars_until: the last day whose bars are published.
    :ivar factors_until: the last day whose adjust factors are published.
    :ivar reference_until: the last day whose load of index members and industries is published.
    """

    today: date
    bars_until: date
    factors_until: date
    reference_until: date


def _date(text: str, error: str) -> date:
    # The client's own rule: 2026-3-2 is a date, 20260302 is not.
    match = re.fullmatch(r"(\d{4})-(\d{1,2})-(\d{1,2})", text)
    try:
        if match is None:
            raise ValueError
        return date(*(int(part) for part in match.groups()))
    except ValueError:
        raise RequestError(error) from None


def _range(start: str, end: str) -> tuple[date, date]:
    first = _date(start, protocol.BAD_START_DATE)
    last = _date(end, protocol.BAD_END_DATE)
    if last < first:
        raise RequestError(protocol.START_AFTER_END)
    return first, last


def _code(text: str) -> str:
    if not re.fullmatch(r"(sh|sz|bj)\.\d{6}", text):
        raise RequestError(protocol.BAD_CODE)
    return text


def _reply(
    request: Request, columns: Sequence[str], rows: Rows, tail: tuple[str | None, ...], column_separator: str = ","
) -> Reply:
    call = request.call
    page = None
    if call.paged:
        page = request.page
        first = (request.page - 1) * request.page_rows
        rows = rows[first : first + request.page_rows]
    size = request.page_rows if call.paged else PAGE_ROWS
    return Reply(
        type=call.reply,
        method=call.method,
        user=request.user,
        columns=list(columns),
        rows=rows,
        page=page,
        page_rows=size,
        tail=tail,
        column_separator=column_separator,
        compressed=call.compressed,
    )


class Answers:
    """Answers requests from a market.

    :raises RequestError: from ``answer``, if the service replies to the request with an error code.
    """

    def __init__(self, market: Market) -> None:
        self._market = market
        self._calls: dict[str, Callable[[Request, Published], Reply]] = {
            "query_trade_dates": self._trade_dates,
            "query_all_stock": self._all_stock,
            "query_stock_basic": self._stock_basic,
            "query_history_k_data_plus": self._history,
            "query_daily_history_k_AStock": self._stocks_on,
            "query_daily_history_k_ETF": self._etfs_on,
            "query_daily_adjust_factor": self._factors_on,
            "query_adjust_factor": self._factors_of,
            "query_stock_industry": self._industries,
            **dict.fromkeys(INDEX_CALLS, self._members),
        }

    @cached_property
    def _etfs(self) -> frozenset[str]:
        return frozenset(security.code for security in self._market.securities() if security.type == ETF)

    def answer(self, request: Request, published: Published) -> Reply:
        """The reply to a query. The server itself replies to login and logout."""
        return self._calls[request.call.method](request, published)

    def _trade_dates(self, request: Request, published: Published) -> Reply:
        start, end = request.params
        first, last = _range(start, end)
        last = min(last, date(published.today.year, 12, 31))
        rows = [(day.isoformat(), str(int(is_open))) for day, is_open in self._market.trade_dates(first, last)]
        return _reply(request, ("calendar_date", "is_trading_day"), rows, (start, end, None), ", ")

    def _all_stock(self, request: Request, published: Published) -> Reply:
        (text,) = request.params
        day = _date(text, protocol.BAD_DATE)
        rows = self._market.listed_on(day) if day <= published.bars_until else []
        return _reply(request, ("code", "tradeStatus", "code_name"), rows, (text, None))

    def _stock_basic(self, request: Request, published: Published) -> Reply:
        code, name = request.params
        if code:
            _code(code)
        rows = []
        for security in self._market.securities():
            if security.ipo_date > published.today or code not in ("", security.code) or name not in security.name:
                continue
            # A future delisting is not published yet.
            out = security.out_date if security.out_date and security.out_date <= published.today else None
            rows.append(
                (
                    security.code,
                    security.name,
                    security.ipo_date.isoformat(),
                    out.isoformat() if out else "",
                    security.type,
                    "1" if security.out_date and not out else security.status,
                )
            )
        columns = ("code", "code_name", "ipoDate", "outDate", "type", "status")
        return _reply(request, columns, rows, (code, name, None), ", ")

    def _history(self, request: Request, published: Published) -> Reply:
        code, fields, start, end, frequency, adjust = request.params
        _code(code)
        first, last = _range(start, end)
        wanted = [field.strip() for field in fields.split(",")]
        if wanted == [""]:
            raise RequestError(protocol.EMPTY_PARAMETER)
        if any(field not in COLUMNS for field in wanted):
            raise RequestError(protocol.BAD_FIELD)
        if len(set(wanted)) < len(wanted):
            raise RequestError(protocol.REPEATED_FIELD)
        # The emulator has unadjusted daily bars only.
        if frequency != "d" or adjust != "3":
            raise RequestError(protocol.BAD_PARAMETER)
        places = [COLUMNS.index(field) for field in wanted]
        if code in self._etfs:
            first = max(first, ETF_DAYS_FROM)
        bars = self._market.bars_of(code, first, min(last, published.bars_until))
        rows = [[bar[place] for place in places] for bar in bars]
        return _reply(request, wanted, rows, (code, None, start, end, frequency, adjust))

    def _stocks_on(self, request: Request, published: Published) -> Reply:
        day = _date(request.params[0], protocol.BAD_DATE)
        rows = self._market.bars_on(day, "stock") if day <= published.bars_until else []
        return _reply(request, COLUMNS, rows, (None,))

    def _etfs_on(self, request: Request, published: Published) -> Reply:
        day = _date(request.params[0], protocol.BAD_DATE)
        rows = self._market.bars_on(day, "etf") if ETF_DAYS_FROM <= day <= published.bars_until else []
        return _reply(request, COLUMNS, rows, (None,))

    def _factors_on(self, request: Request, published: Published) -> Reply:
        day = _date(request.params[0], protocol.BAD_DATE)
        factors = self._market.factors_on(day) if day <= published.factors_until else []
        # The real service drops the last letter of adjustFactor, too.
        columns = ("code", "dividOperateDate", "foreAdjustFactor", "backAdjustFactor", "adjustFacto")
        return _reply(request, columns, _factor_rows(factors), (None,))

    def _factors_of(self, request: Request, published: Published) -> Reply:
        code, start, end = request.params
        first, last = _range(start, end)
        until = published.factors_until
        factors = self._market.factors_of(_code(code), first, min(last, until), until)
        columns = ("code", "dividOperateDate", "foreAdjustFactor", "backAdjustFactor", "adjustFactor")
        return _reply(request, columns, _factor_rows(factors), (code, start, end, None))

    def _members(self, request: Request, published: Published) -> Reply:
        (text,) = request.params
        rows = self._market.member_rows(INDEX_CALLS[request.call.method], _load_until(text, published))
        return _reply(request, MEMBER_COLUMNS, rows, (text, None), ", ")

    def _industries(self, request: Request, published: Published) -> Reply:
        code, text = request.params
        if code:
            _code(code)
        rows = self._market.industry_rows(_load_until(text, published))
        if code:
            rows = [row for row in rows if row[INDUSTRY_COLUMNS.index("code")] == code]
        return _reply(request, INDUSTRY_COLUMNS, rows, (code, text, None), ", ")


def _load_until(text: str, published: Published) -> date:
    """The day up to which a load may be sent, for a request's date; a blank date is today."""
    day = _date(text, protocol.BAD_DATE) if text else published.today
    return min(day, published.reference_until)


def _factor_rows(factors: Sequence[Factor]) -> Rows:
    return [(f.code, f.ex_date.isoformat(), f.fore, f.back, f.back) for f in factors]
