"""The faults that the emulator can inject.

A fault names the method it strikes (a request's first field, ``connect`` for a new connection, ``*`` for every
request), how many requests it lets pass first (``after``), and how often it strikes (``times``, 0 for always).
"""

from __future__ import annotations

from dataclasses import dataclass, field

KINDS: dict[str, tuple[str, ...]] = {
    "refuse": (),
    "close_before_reply": (),
    "close_mid_reply": (),
    "drop": ("requests",),
    "stall": ("days",),
    "delay": ("seconds",),
    "error": ("code", "message"),
    "empty": (),
    "truncated_page": ("rows",),
    "exact_rows": ("rows",),
    "duplicate_row": (),
    "bad_number": ("column", "value"),
    "wrong_date": ("date",),
    "wrong_code": ("code",),
    "rename_half": (),
    "drop_column": ("column",),
    "rename_column": ("column", "to"),
    "wrong_method": ("name",),
    "wrong_page": ("page",),
    "page_size": ("rows",),
    "cut_body": (),
    "garbage": (),
    "changed_digit": (),
}
"""Kind of fault to its arguments. All arguments are optional.

- ``refuse`` closes a new connection at once; its method is ``connect``.
- ``close_before_reply`` and ``close_mid_reply`` close an open connection before or in the middle of the reply.
- ``drop`` closes the connection after its reply number ``requests`` (default: 43, login included).
- ``stall`` sends half a reply and then nothing; with ``days`` only for a request of a longer range.
- ``delay`` sends the reply ``seconds`` (default: 1) later.
- ``error`` replies with ``code`` and ``message``, ``empty`` with error 0 and no rows.
- ``truncated_page`` sends only the first ``rows`` (default: half) of the page.
- ``exact_rows`` cuts or repeats the rows to exactly ``rows`` (default: 2000).
- ``duplicate_row`` sends the first row twice.
- ``bad_number`` writes ``value`` (default: ``1.2.3``) into ``column`` of the first row; by default ``close``,
  otherwise ``backAdjustFactor``, otherwise the last column.
- ``wrong_date`` and ``wrong_code`` write another date or code into every row.
- ``rename_half`` changes the name in every second row, from the second on, of a reply with the column ``code_name``.
- ``drop_column`` and ``rename_column`` change the columns; by default the last one.
- ``wrong_method`` and ``wrong_page`` echo another method or page number.
- ``page_size`` sends pages of ``rows`` (default: 10,000), whatever page size the client requests.
- ``cut_body`` sends half of the body, ``garbage`` sends random bytes; the frame matches the new body.
- ``changed_digit`` changes a digit but keeps the checksum of the original.
"""


@dataclass
class Fault:
    """One fault. ``args`` maps the names that ``KINDS`` lists for the kind to strings.

    :raises ValueError: an unknown kind or argument, a negative count, a numeric argument that is no number, or the
        kind ``refuse`` without the method ``connect`` (or the reverse); the text is one sentence.
    """

    method: str
    kind: str
    times: int = 1
    after: int = 0
    args: dict[str, str] = field(default_factory=dict)
    seen: int = 0
    struck: int = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"{self.kind!r} is not a kind of fault: choose one of {', '.join(KINDS)}.")
        unknown = set(self.args) - set(KINDS[self.kind])
        if unknown:
            takes = ", ".join(KINDS[self.kind]) or "none"
            raise ValueError(f"A fault {self.kind!r} has no argument {min(unknown)!r} (it takes: {takes}).")
        if self.times < 0 or self.after < 0:
            raise ValueError("A fault's times and after are 0 or more.")
        if (self.kind == "refuse") != (self.method == "connect"):
            raise ValueError("The fault 'refuse' goes with method 'connect', and only that one does.")
        for name in ("rows", "page", "seconds", "requests", "days"):
            try:
                float(self.args.get(name, "0"))
            except ValueError:
                raise ValueError(f"A fault's {name} is a number, not {self.args[name]!r}.") from None

    def strikes(self, method: str, number: int = 0, days: int = 0) -> bool:
        """Whether the fault strikes a request. Counts the request if the fault applies to it.

        :param number: the request's number in its connection, from 1.
        :param days: the number of days that the request asks for; 0 for a request without a range.
        """
        if self.method not in (method, "*") or (self.method == "*" and method == "connect"):
            return False
        if self.kind == "drop" and number != int(self.args.get("requests", "43")):
            return False
        if "days" in self.args and days <= int(self.args["days"]):
            return False
        self.seen += 1
        if self.seen <= self.after or (self.times and self.struck >= self.times):
            return False
        self.struck += 1
        return True


def fault(method: str, kind: str, *, times: int = 1, after: int = 0, **args: object) -> Fault:
    """A fault with its arguments as keywords: ``fault("login", "error", code=10001011)``."""
    return Fault(method, kind, times, after, {name: str(value) for name, value in args.items()})


def parse_fault(text: str) -> Fault:
    """The fault of a command-line option: ``method=login,kind=error,code=10001011,times=2``.

    :raises ValueError: the text is not a valid fault; the message is one sentence.
    """
    args: dict[str, str] = {}
    for part in text.split(","):
        name, equals, value = part.partition("=")
        if not equals or not name.strip():
            raise ValueError(f"The fault {text!r} is not written as method=...,kind=...,name=value.")
        args[name.strip()] = value.strip()
    if "method" not in args or "kind" not in args:
        raise ValueError(f"The fault {text!r} needs a method and a kind.")
    counts: list[int] = []
    for name, default in (("times", "1"), ("after", "0")):
        value = args.pop(name, default)
        if not value.isdigit():
            raise ValueError(f"The fault's {name} is a whole number of 0 or more, not {value!r}.")
        counts.append(int(value))
    return Fault(args.pop("method"), args.pop("kind"), counts[0], counts[1], args)
