"""The effect of each fault on a reply."""

from __future__ import annotations

import random
import re
import zlib
from collections.abc import Callable, Sequence

from ashare_emulator import protocol
from ashare_emulator.faults import Fault
from ashare_emulator.protocol import Reply

Args = dict[str, str]


def _error(reply: Reply, args: Args) -> None:
    reply.error_code = args.get("code", protocol.SYSTEM_ERROR)
    reply.message = args.get("message", protocol.MESSAGES.get(reply.error_code, "错误"))
    reply.rows = ()


def _empty(reply: Reply, args: Args) -> None:
    reply.error_code, reply.message, reply.rows = protocol.OK, protocol.MESSAGES[protocol.OK], ()


def _truncated_page(reply: Reply, args: Args) -> None:
    reply.rows = reply.rows[: int(args.get("rows", len(reply.rows) // 2))]


def _exact_rows(reply: Reply, args: Args) -> None:
    wanted = int(args.get("rows", protocol.PAGE_ROWS))
    rows = list(reply.rows)
    reply.rows = [rows[n % len(rows)] for n in range(wanted)] if rows else []


def _duplicate_row(reply: Reply, args: Args) -> None:
    reply.rows = [*reply.rows[:1], *reply.rows]


def _put(reply: Reply, names: Sequence[str], value: str, *, only_first: bool = False) -> None:
    """Write a value into one column, the first of ``names`` that the reply has. Without one, do nothing."""
    place = next((reply.columns.index(name) for name in names if reply.columns and name in reply.columns), None)
    if place is None:
        return
    rows = [list(row) for row in reply.rows]
    for row in rows[:1] if only_first else rows:
        row[place] = value
    reply.rows = rows


def _bad_number(reply: Reply, args: Args) -> None:
    names = (args["column"],) if "column" in args else ("close", "backAdjustFactor", *(reply.columns or ())[-1:])
    _put(reply, names, args.get("value", "1.2.3"), only_first=True)


def _wrong_date(reply: Reply, args: Args) -> None:
    _put(reply, ("date", "dividOperateDate", "calendar_date", "updateDate"), args.get("date", "2001-01-02"))


def _wrong_code(reply: Reply, args: Args) -> None:
    _put(reply, ("code",), args.get("code", "sh.600999"))


def _rename_half(reply: Reply, args: Args) -> None:
    if reply.columns and "code_name" in reply.columns:
        place = reply.columns.index("code_name")
        rows = [list(row) for row in reply.rows]
        for row in rows[1::2]:
            row[place] = f"新{row[place]}"
        reply.rows = rows


def _drop_column(reply: Reply, args: Args) -> None:
    columns = reply.columns or []
    name = args.get("column", columns[-1] if columns else "")
    if name in columns:
        place = columns.index(name)
        reply.columns = columns[:place] + columns[place + 1 :]
        reply.rows = [[*row[:place], *row[place + 1 :]] for row in reply.rows]


def _rename_column(reply: Reply, args: Args) -> None:
    columns = reply.columns or []
    name = args.get("column", columns[-1] if columns else "")
    reply.columns = [args.get("to", "renamed") if column == name else column for column in columns] or None


def _wrong_method(reply: Reply, args: Args) -> None:
    reply.method = args.get("name", "query_all_stock" if reply.method != "query_all_stock" else "query_trade_dates")


def _wrong_page(reply: Reply, args: Args) -> None:
    if reply.page is not None:
        reply.page = int(args.get("page", reply.page + 1))


CHANGES: dict[str, Callable[[Reply, Args], None]] = {
    "error": _error,
    "empty": _empty,
    "truncated_page": _truncated_page,
    "exact_rows": _exact_rows,
    "duplicate_row": _duplicate_row,
    "bad_number": _bad_number,
    "wrong_date": _wrong_date,
    "wrong_code": _wrong_code,
    "rename_half": _rename_half,
    "drop_column": _drop_column,
    "rename_column": _rename_column,
    "wrong_method": _wrong_method,
    "wrong_page": _wrong_page,
}


def change_reply(reply: Reply, faults: Sequence[Fault]) -> None:
    """Apply the faults that change a reply's fields."""
    for fault in faults:
        if fault.kind in CHANGES:
            CHANGES[fault.kind](reply, fault.args)


def _with_another_digit(body: bytes) -> bytes:
    """The body with the first digit of its first row changed, or one bit if the body is compressed or has no digit.

    The length stays the same.
    """
    found = re.search(rb'"record":\[\["[^]]*?(\d)', body)
    place = found.start(1) if found else len(body) // 2
    return body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :]


def change_bytes(payload: bytes, faults: Sequence[Fault]) -> bytes:
    """Apply the faults that change the bytes of a reply's body.

    The frame stays well-formed; only ``changed_digit`` leaves a wrong checksum.
    """
    kind, body = protocol.unframe(payload)
    for fault in faults:
        if fault.kind == "cut_body":
            payload = protocol.frame(kind, body[: len(body) // 2])
        elif fault.kind == "garbage":
            noise = random.Random(zlib.crc32(body)).randbytes(max(len(body), 64))
            # Random bytes must not contain the end marker or a separator by chance.
            payload = protocol.frame(kind, noise.replace(b"\n", b"\0").replace(b"\1", b"\0"))
        elif fault.kind == "changed_digit":
            payload = payload.replace(body, _with_another_digit(body))
    return payload
