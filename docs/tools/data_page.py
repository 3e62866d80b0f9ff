"""Writes docs/data.md and docs/data.zh.md: each dataset of the registry, each table and column by its comment.

`make comments` runs it. The comments are those of a database with today's schema; docs/data_zh.json has the Chinese
text of each. It begins with the texts that have none yet, if there are any: then fill them in, and run this again.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import psycopg

from ashare.datasets import (
    BAR_COLUMNS,
    DATASETS,
    INDEX_MEMBERS,
    INDUSTRY_CALL,
    LISTS_APPEAR,
    MEMBER_LISTS,
    WEEKLY_DATASETS,
    Dataset,
    WeeklyDataset,
)
from ashare.store import Store
from ashare_local.postgres import EmbeddedPostgres

DOCS = Path(__file__).resolve().parents[1]
PAGES = {"en": DOCS / "data.md", "zh": DOCS / "data.zh.md"}
CHINESE = DOCS / "data_zh.json"
GROUPS = {
    "Bars and prices": "daily_bar adjust_factor daily_bar_hfq daily_bar_qfq daily_limit price_limit_rule daily_float "
    "weekly_bar monthly_bar factor_step adjust_factor_series daily_bar_factor",
    "Securities, calendar and weekly lists": "security trade_calendar index_member industry security_name snapshot",
    "What is complete": "sync_status coverage accepted_date",
    "What Baostock lacks, changed, or sent wrong": "absent_bar absent_range unlisted_index bar_revision verification "
    "rejected_bar rejected_row blanked_value cross_check",
    "Requests and alerts": "source_request request_count source_limit source_outage alert",
    "The work of runs": "work sync_batch history_batch batch history_run factor_history publication_look",
    "Counts": "counted_partition row_count row_count_change unfolded_rows date_summary year_summary schema_migration",
    "Names that StockGuru's queries use": "daily_stock_data daily_sync_status",
}
"""The tables and views in the order of the page."""
INTRODUCTION = """\
Schema `ashare`. This page is generated from the registry of datasets and from the comments of the database, which \
`\\d+ ashare.daily_bar` shows in psql.

`code` is Baostock's, with the exchange: `sh.000001` is the Shanghai Composite, `sz.000001` Ping An Bank. Prices and \
amounts are in CNY (of an index: points), `volume` is in shares, rates are in percent. Numbers are exact decimals. A \
blank from Baostock is NULL. A suspended stock has a row, with `is_trading` false. Days are those of Asia/Shanghai. \
Stocks of the Beijing exchange and B shares are not there: Baostock has no bars of them.
"""
RELATIONS = """
SELECT c.relname AS name, c.relkind = 'v' AS is_view, obj_description(c.oid, 'pg_class') AS comment,
       a.attname AS column, format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull AS is_required,
       col_description(c.oid, a.attnum) AS meaning, coalesce(a.attnum = ANY (k.indkey), false) AS is_key
FROM pg_class c
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_index k ON k.indrelid = c.oid AND k.indisprimary
WHERE c.relnamespace = 'ashare'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm')
ORDER BY c.relname, a.attnum
"""

Say = Callable[[str], str]
"""An English text in the language of the page."""


class Column(NamedTuple):
    name: str
    type: str
    is_required: bool
    is_key: bool
    meaning: str | None


class Relation(NamedTuple):
    """A table or a view."""

    name: str
    is_view: bool
    comment: str
    columns: list[Column]


class Translation:
    """The Chinese texts by their English ones; collects which were used and which lack."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self.texts = texts
        self.used: dict[str, str] = {}

    def __call__(self, text: str) -> str:
        self.used[text] = self.texts.get(text, "")
        return self.used[text] or text

    @property
    def missing(self) -> list[str]:
        return [text for text, chinese in self.used.items() if not chinese]

    @property
    def left_over(self) -> list[str]:
        return [text for text in self.texts if text not in self.used]


def relations(connection: psycopg.Connection[Any]) -> dict[str, Relation]:
    """The tables and views of the schema by name."""
    found: dict[str, Relation] = {}
    for name, is_view, comment, column, type_, is_required, meaning, is_key in connection.execute(RELATIONS):
        relation = found.setdefault(name, Relation(name, is_view, comment, []))
        relation.columns.append(Column(column, type_, is_required, is_key, meaning))
    return found


def page(found: Mapping[str, Relation], say: Say) -> str:
    """The page in a language.

    :raises ValueError: a table stands in no group of ``GROUPS``, or a group names one that the schema lacks.
    """
    grouped = {name for names in GROUPS.values() for name in names.split()}
    if grouped != set(found):
        raise ValueError(
            f"GROUPS must name each table once; it differs in: {', '.join(sorted(grouped ^ set(found)))}"
        )
    return "\n".join(_lines(found, say)) + "\n"


def _lines(found: Mapping[str, Relation], say: Say) -> Iterator[str]:
    yield f"# {say('Tables')}"
    for paragraph in INTRODUCTION.strip().split("\n\n"):
        yield f"\n{say(paragraph)}"
    yield f"\n## {say('Datasets')}\n"
    yield from _datasets(say)
    for title, names in GROUPS.items():
        yield f"\n## {say(title)}"
        for name in names.split():
            yield from _relation(found[name], say)


def _datasets(say: Say) -> Iterator[str]:
    yield say("Bars and adjust factors: a partition is a trade date.") + "\n"
    yield from _head(
        say, "dataset", "holds", "Baostock's calls", "first date", "appears from", "no row is believed from"
    )
    for bars in DATASETS.values():
        times = f"{bars.published:%H:%M} | {bars.final:%H:%M}"
        first = f"{bars.first_date}" if bars.first_date else say("each security's own")
        yield f"| `{bars.name}` | {say(bars.plural)} | {_calls(bars, say)} | {first} | {times} |"
    yield "\n" + say("Weekly lists: a partition is a week, written as its Monday.") + "\n"
    yield from _head(say, "dataset", "holds", "Baostock's calls", "first week", "appears from")
    for lists in WEEKLY_DATASETS.values():
        appears = f"{say('Monday')} {LISTS_APPEAR:%H:%M}"
        yield f"| `{lists.name}` | {say(lists.plural)} | {_list_calls(lists)} | {lists.first_week} | {appears} |"
    yield ""
    yield from _head(say, "index", "name", "members", "first week")
    for each in MEMBER_LISTS.values():
        yield f"| `{each.code}` | {say(each.name)} | {each.members} | {each.first_week} |"


def _calls(dataset: Dataset, say: Say) -> str:
    by_code = f"`{dataset.code_call}` ({say('one security')})"
    if dataset.market_call is None:
        return by_code
    first = say("the whole market, from {} on").format(dataset.market_call.first_date)
    return f"`{dataset.market_call.function}` ({first}), {by_code}"


def _list_calls(dataset: WeeklyDataset) -> str:
    calls = [each.function for each in MEMBER_LISTS.values()] if dataset is INDEX_MEMBERS else [INDUSTRY_CALL]
    return ", ".join(f"`{call}`" for call in calls)


def _relation(relation: Relation, say: Say) -> Iterator[str]:
    key = ", ".join(f"`{column.name}`" for column in relation.columns if column.is_key)
    kind = say("A view.") if relation.is_view else say("A table; its key: {}.").format(key)
    yield f"\n### {relation.name}\n\n{_safe(say(relation.comment))}\n\n{kind}\n"
    baostock = {name: sent for sent, name in BAR_COLUMNS.items()} if relation.name == "daily_bar" else {}
    yield from _head(say, "column", "type", *(["Baostock's name"] if baostock else []), "meaning")
    for column in relation.columns:
        cells = [f"`{column.name}`", column.type + (say(", never NULL") if column.is_required else "")]
        if baostock:
            cells.append(f"`{baostock[column.name]}`" if column.name in baostock else "")
        yield f"| {' | '.join([*cells, _safe(say(column.meaning)) if column.meaning else ''])} |"


def _head(say: Say, *titles: str) -> Iterator[str]:
    yield f"| {' | '.join(map(say, titles))} |"
    yield "|" + "---|" * len(titles)


def _safe(text: str) -> str:
    """A comment as Markdown: its stars are no emphasis, its bars no cells."""
    return text.replace("*", "\\*").replace("|", "\\|").replace("<", "&lt;")


def read_chinese() -> dict[str, str]:
    texts: dict[str, str] = json.loads(CHINESE.read_text(encoding="utf-8"))
    return texts


def main() -> int:
    """Write both pages; 1 if Chinese texts lack."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)  # PostgreSQL runs under an account of its own where this is run by root
        with EmbeddedPostgres(Path(directory) / "postgres", databases=(), durable=False).start() as server:
            with Store(lambda: server.connect("postgres")) as store:
                store.migrate()
            with server.connect("postgres") as connection:
                found = relations(connection)
    translation = Translation(read_chinese())
    PAGES["en"].write_text(page(found, str), encoding="utf-8")
    PAGES["zh"].write_text(page(found, translation), encoding="utf-8")
    missing = dict.fromkeys(translation.missing, "")
    texts = {**missing, **{text: chinese for text, chinese in translation.used.items() if chinese}}
    CHINESE.write_text(json.dumps(texts, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    if missing:
        sys.stderr.write(f"{CHINESE.name} has {len(missing)} texts without a Chinese one, its first: fill them in.\n")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
