"""Baostock's messages: their frame, their calls, and the meaning of the error codes.

Source: the client 0.9.4 (``common/contants.py``, ``util/socketutil.py``) and recorded replies. A message is a
header of 21 characters (version, type, 10-digit body length, separated by \\1), a body (fields separated by \\1),
then \\1 and the CRC-32 of header and body. The body length counts characters. A request ends with a newline, a
reply with ``<![CDATA[]]>`` and a newline. The body of some replies is compressed by zlib: their header has the
compressed length in bytes, and one more newline precedes ``<![CDATA[]]>``. It is unknown which bytes their checksum
covers.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

SPLIT = "\1"
HEADER_LENGTH = 21
END = b"<![CDATA[]]>\n"
VERSION = "00.9.00"
"""The version in every reply, whatever version the client has."""
OLDEST_CLIENT = "00.9.00"
"""The oldest client version that is served. Older clients lack the whole-day calls; they get ``CLIENT_EXPIRED``."""
PAGE_ROWS = 2000
MOST_PAGE_ROWS = 10_000
"""The largest page size that a client can request. Larger requests get this size."""
EXCEPTION = "04"
MAX_REQUEST = 65536

OK = "0"
NOT_LOGGED_IN = "10001001"
WRONG_PASSWORD = "10001002"
CLIENT_EXPIRED = "10001004"
USER_EMPTY = "10001008"
PASSWORD_EMPTY = "10001009"
BAD_API_KEY = "10001012"
EMPTY_PARAMETER = "10004005"
BAD_PARAMETER = "10004006"
BAD_START_DATE = "10004007"
BAD_END_DATE = "10004008"
START_AFTER_END = "10004009"
BAD_DATE = "10004010"
BAD_CODE = "10004011"
BAD_FIELD = "10004012"
REPEATED_FIELD = "10004018"
BAD_MESSAGE = "10004019"
BAD_TYPE = "10004020"
SYSTEM_ERROR = "10005001"

WRONG_COUNT = "请求参数个数不正确"
"""The message of ``BAD_PARAMETER`` if the number of parameters is wrong."""

MESSAGES = {
    OK: "success",
    NOT_LOGGED_IN: "用户未登录",
    WRONG_PASSWORD: "用户名或密码错误",
    CLIENT_EXPIRED: "客户端版本号过期",
    "10001005": "账号登陆数达到上限",
    "10001006": "用户权限不足",
    USER_EMPTY: "用户名为空",
    PASSWORD_EMPTY: "密码为空",
    "10001011": "黑名单用户",
    BAD_API_KEY: "APIKey格式不正确",
    EMPTY_PARAMETER: "传入参数为空",
    BAD_PARAMETER: "参数错误",
    BAD_START_DATE: "起始日期格式不正确",
    BAD_END_DATE: "截止日期格式不正确",
    START_AFTER_END: "起始日期大于终止日期",
    BAD_DATE: "日期格式不正确",
    BAD_CODE: "无效的证券代码",
    BAD_FIELD: "无效的指标",
    REPEATED_FIELD: "指标重复",
    BAD_MESSAGE: "消息格式不正确",
    BAD_TYPE: "错误的消息类型",
    SYSTEM_ERROR: "系统级别错误",
}


class RequestError(Exception):
    """A request that is answered with an error code."""

    def __init__(self, code: str, message: str = "") -> None:
        super().__init__(message or MESSAGES[code])
        self.code = code


@dataclass(frozen=True)
class Call:
    """A call: its request and reply types, its parameters' names, whether its reply is paged, and compressed."""

    method: str
    request: str
    reply: str
    parameters: tuple[str, ...]
    paged: bool = True
    compressed: bool = False

    @property
    def fields(self) -> int:
        """Number of a request's fields after the user: page number and size if paged, then the parameters."""
        return len(self.parameters) + 2 * self.paged


HISTORY_PARAMETERS = ("code", "fields", "start_date", "end_date", "frequency", "adjustflag")


CALLS = {
    call.request: call
    for call in (
        Call("login", "00", "01", ("password", "options"), paged=False),
        Call("logout", "02", "03", ("time",), paged=False),
        Call("query_adjust_factor", "15", "16", ("code", "start_date", "end_date")),
        Call("query_trade_dates", "33", "34", ("start_date", "end_date")),
        Call("query_all_stock", "35", "36", ("day",)),
        Call("query_stock_basic", "45", "46", ("code", "code_name")),
        Call("query_stock_industry", "59", "60", ("code", "date")),
        Call("query_hs300_stocks", "61", "62", ("date",)),
        Call("query_sz50_stocks", "63", "64", ("date",)),
        Call("query_zz500_stocks", "65", "66", ("date",)),
        Call("query_history_k_data_plus", "95", "96", HISTORY_PARAMETERS, compressed=True),
        Call("query_daily_history_k_AStock", "98", "99", ("date",), paged=False, compressed=True),
        Call("query_daily_history_k_ETF", "9A", "9B", ("date",), paged=False, compressed=True),
        Call("query_daily_adjust_factor", "9C", "9D", ("date",), paged=False, compressed=True),
    )
}


@dataclass(frozen=True)
class Request:
    """A well-formed request. ``params`` are the values of ``call.parameters``."""

    call: Call
    user: str
    page: int
    page_rows: int
    params: tuple[str, ...]


def parse_request(line: bytes) -> Request:
    """Parse a request.

    :param line: the request without its newline.
    :raises RequestError: the request is malformed, unknown or of an expired client; ``code`` goes into the reply.
    """
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        raise RequestError(BAD_MESSAGE) from None
    header, (message, _, crc) = text[:HEADER_LENGTH], text.rpartition(SPLIT)
    match = re.fullmatch(r"(\d\d\.\d\.\d\d)\1(\w\w)\1(\d{10})".replace(r"\1", SPLIT), header)
    if match is None or len(message) < HEADER_LENGTH:
        raise RequestError(BAD_MESSAGE)
    version, kind, length = match.groups()
    body = message[HEADER_LENGTH:]
    # The client counts characters instead of bytes: accept both lengths.
    if int(length) not in (len(body), len(body.encode())) or crc != str(zlib.crc32(message.encode())):
        raise RequestError(BAD_MESSAGE)
    if version < OLDEST_CLIENT:
        raise RequestError(CLIENT_EXPIRED)
    call = CALLS.get(kind)
    if call is None:
        raise RequestError(BAD_TYPE)
    method, *fields = body.split(SPLIT)
    if method != call.method:
        raise RequestError(BAD_MESSAGE)
    if len(fields) != call.fields + 1:
        raise RequestError(BAD_PARAMETER, WRONG_COUNT)
    user, *params = fields
    if not call.paged:
        return Request(call, user, 1, PAGE_ROWS, tuple(params))
    page, rows, *params = params
    if not (page.isdigit() and rows.isdigit() and int(page) > 0 and int(rows) > 0):
        raise RequestError(BAD_PARAMETER)
    return Request(call, user, int(page), min(int(rows), MOST_PAGE_ROWS), tuple(params))


@dataclass
class Reply:
    """A reply before it is put into a frame.

    :ivar columns: names of the columns; None for login and logout, which have a ``time`` instead.
    :ivar page: the page number; None in a reply that is not paged.
    :ivar tail: the fields after the rows: echoed parameters, and None in the place of the column names.
    :ivar column_separator: the separator between the column names.
    """

    type: str
    method: str
    user: str
    error_code: str = OK
    message: str = MESSAGES[OK]
    columns: list[str] | None = None
    rows: Sequence[Sequence[str]] = ()
    page: int | None = None
    page_rows: int = PAGE_ROWS
    tail: tuple[str | None, ...] = (None,)
    column_separator: str = ","
    time: str = ""
    compressed: bool = False

    def body(self) -> str:
        """The fields, joined by the separator."""
        fields = [self.error_code, self.message]
        if self.method:
            fields += [self.method, self.user]
        if self.error_code == OK and self.time:
            fields.append(self.time)
        if self.error_code == OK and self.columns is not None:
            if self.page is not None:
                fields += [str(self.page), str(self.page_rows)]
            # An empty result is an empty field, not an empty list.
            record = [list(row) for row in self.rows]
            text = json.dumps({"record": record}, ensure_ascii=False, separators=(",", ":"))
            fields.append(text if record else "")
            fields += [self.column_separator.join(self.columns) if field is None else field for field in self.tail]
        return SPLIT.join(fields)


COMPRESSED = {call.reply for call in CALLS.values() if call.compressed}
"""The types of replies whose body is compressed."""


def frame(kind: str, body: bytes) -> bytes:
    """A whole reply: header, body (compressed if the type is), checksum and end marker."""
    length = len(body) if kind in COMPRESSED else len(body.decode(errors="replace"))
    message = f"{VERSION}{SPLIT}{kind}{SPLIT}{length:010d}".encode() + body
    return message + f"{SPLIT}{zlib.crc32(message)}".encode() + (b"\n" if kind in COMPRESSED else b"") + END


def unframe(reply: bytes) -> tuple[str, bytes]:
    """The type of a reply, and its body as sent (still compressed if the type is)."""
    return reply[8:10].decode(), reply[HEADER_LENGTH:].rpartition(SPLIT.encode())[0]


def encode(reply: Reply) -> bytes:
    """The bytes of a reply, frame included."""
    body = reply.body().encode()
    return frame(reply.type, zlib.compress(body, 1) if reply.compressed else body)


API_KEY_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def is_api_key(text: str) -> bool:
    """Whether the text has the form of an API key: ``bs-``, 29 characters, and their check character."""
    body = text[3:]
    if not text.startswith("bs-") or len(text) != 33 or any(letter not in API_KEY_ALPHABET for letter in body):
        return False
    return API_KEY_ALPHABET[sum(map(API_KEY_ALPHABET.index, body[:-1])) % 62] == body[-1]
