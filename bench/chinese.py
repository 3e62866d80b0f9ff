"""The measured figures' texts in Chinese, for `docs/performance.zh.md`."""

from __future__ import annotations

import re

TEXTS = {
    "measured": "实测",
    "target": "目标",
    "ok": "达到",
    "missed": "未达到",
    "{}, commit {}; {} cores, {} GiB, {}, Python {}, PostgreSQL {}; {} s in all.\n": (
        "{}，提交 {}；{} 核，{} GiB，{}，Python {}，PostgreSQL {}；共 {} 秒。\n"
    ),
    "": "",
    # Parts
    "Parse and start": "解析与启动",
    "Requests of a trade date": "一个交易日的请求数",
    "Time of a trade date": "一个交易日的耗时",
    "Overhead over empty tasks": "相对于空任务的开销",
    "Use of the one connection": "唯一连接的利用率",
    "Memory": "内存",
    "Loading": "入库",
    "Growth": "随年数的增长",
    "The page": "页面",
    "The views": "视图",
    "The lake": "数据湖",
    # Names
    "the DAG files are parsed, all together": "解析全部 DAG 文件",
    "make up, until a user sees the DAG: first start": "make up，到用户看见 DAG 为止：首次启动",
    "the same, started again": "同上，再次启动",
    "airflow dags --help": "airflow dags --help",
    "airflow dags backfill --help": "airflow dags backfill --help",
    "a lone date, calendar and list known": "单独一个日期，日历与证券列表已知",
    "a date of #": "# 个日期中的一个",
    "one request per stock": "每只股票一次请求",
    "a lone date, queued to recorded": "单独一个日期，从排队到记录",
    "as many times faster": "快多少倍",
    "as many times faster, a date of #": "快多少倍，# 个日期中的一个",
    "# dates, no latency": "# 个日期，无延迟",
    "# empty runs": "# 次空运行",
    "as many times as long": "耗时之比",
    "processor time of # dates": "# 个日期的处理器时间",
    "processor time of # empty runs": "# 次空运行的处理器时间",
    "as many times the processor time": "处理器时间之比",
    "task instances a date": "每个日期的任务实例数",
    "# dates, # s a market": "# 个日期，全市场每次 # 秒",
    "the source is busy": "数据源忙碌",
    "a year of # stocks by code, # s a request": "# 只股票一年的日线，按代码，每次请求 # 秒",
    "the source is busy, by code": "数据源忙碌，按代码",
    "a task of a whole-market date": "全市场日期的一个任务",
    "a batch of # codes over # years": "# 个代码、# 年的一个批次",
    r"psql \copy": r"psql \copy",
    "new rows": "新行",
    "unchanged rows": "未变的行",
    "changed rows": "有变化的行",
    "new rows: of psql's": "新行：与 psql 之比",
    "unchanged rows: of psql's": "未变的行：与 psql 之比",
    "changed rows, SQL by hand": "有变化的行，手写 SQL",
    "changed rows: of SQL by hand": "有变化的行：与手写 SQL 之比",
    "a ledger entry at # requests": "已有 # 次请求时的一条台账",
    "a trade date, without Airflow": "一个交易日，不经 Airflow",
    "overview": "总览",
    "coverage, # years": "覆盖，# 年",
    "coverage, # years: its JSON alone": "覆盖，# 年：仅其 JSON",
    "list, first page": "列表，首页",
    "list, failed": "列表，失败的日期",
    "list, last page": "列表，末页",
    "list, a year": "列表，一年",
    "recent, # days": "最近 # 天",
    "pending, # days": "待同步，# 天",
    "preview, # days": "预览，# 天",
    "progress, # days": "进度，# 天",
    "a complete date": "完整的日期",
    "a date with # missing": "缺 # 只证券的日期",
    "a date with all missing": "全部缺失的日期",
    "a security": "一只证券",
    "its bars, as traded": "其日线，不复权",
    "its bars, adjusted (qfq)": "其日线，前复权（qfq）",
    "find securities": "查找证券",
    "find securities, by pinyin": "按拼音查找证券",
    "datasets": "数据集一览",
    "request ledger": "请求台账",
    "a stock, # years, table": "一只股票，# 年，表",
    "a stock, # years, hfq": "一只股票，# 年，hfq",
    "a stock, # years, qfq": "一只股票，# 年，qfq",
    "a stock, # years, qfq: prices": "一只股票，# 年，qfq：仅价格",
    "a stock, # years, qfq: not sent": "一只股票，# 年，qfq：不传输",
    "a market day, table": "一个交易日的市场，表",
    "a market day, hfq": "一个交易日的市场，hfq",
    "a market day, qfq": "一个交易日的市场，qfq",
    "an early market day, qfq": "较早的一个交易日的市场，qfq",
    "a whole export": "完整导出",
    "a new date": "新增一个日期",
    "nothing new": "没有新内容",
    "close (hfq), # years: database / lake": "收盘价（hfq），# 年：数据库 / 数据湖",
    "close (hfq), # years: lake / DuckDB": "收盘价（hfq），# 年：数据湖 / DuckDB",
    # Remarks, and their parts
    "without pandas, baostock and psycopg": "不导入 pandas、baostock 和 psycopg",
    "# ms a stock": "每只股票 # ms",
    "Airflow's and PostgreSQL's processes: without the emulator's and the command's": (
        "Airflow 与 PostgreSQL 的进程：不含模拟器和命令的进程"
    ),
    "# requests": "# 次请求",
    "busy # s": "忙碌 # 秒",
    "the largest task process": "最大的任务进程",
    "# bars in # s": "# 条日线，# 秒",
    "without Airflow": "不经 Airflow",
    "# rows": "# 行",
    "# days": "# 天",
    "COPY #%": "COPY #%",
    "check #%": "检查 #%",
    "commit #%": "提交 #%",
    "merge #%": "合并 #%",
    "analyze #%": "ANALYZE #%",
    "stage #%": "暂存 #%",
    "#%": "其他 #%",
    "COPY, INSERT of revisions, UPDATE": "COPY、INSERT 修订记录、UPDATE",
    "# ms beside # ms on an empty day": "# ms，空白日为 # ms",
    "# y # ms": "# 年 # ms",
    "at most #": "最多 #",
    "#": "#",
    "a whole market in # s, too": "全市场也只用 # 秒",
    "# s": "# 秒",
    "# GB": "# GB",
    "# s: # securities": "# 秒：# 只证券",
    "# sessions": "# 个交易日",
    "# processors": "# 个处理器",
    "lake # s": "数据湖 # 秒",
    "DuckDB": "DuckDB",
    "pandas' pivot # s": "pandas 的 pivot # 秒",
    "DuckDB's PIVOT # s": "DuckDB 的 PIVOT # 秒",
}
"""Texts by their English ones. ``#`` stands for a number, in both in the same order."""

NUMBER = re.compile(r"(?<![\w.])[-+]?\d[\d,]*(?:\.\d+)?(?![\w.])")


def in_chinese(text: str) -> str:
    """A text of the figures in Chinese: as a whole, or part by part between its commas.

    A text that ``TEXTS`` lacks stays English: a benchmark does not fail over it.
    """
    whole = _whole(text)
    if whole is not None:
        return whole
    parts = [_whole(part.strip()) for part in text.split(", ")]
    return "，".join(part for part in parts if part is not None) if None not in parts else text


def _whole(text: str) -> str | None:
    chinese = TEXTS.get(NUMBER.sub("#", text))
    if chinese is None:
        return None
    numbers = iter(NUMBER.findall(text))
    return "".join(next(numbers) if part == "#" else part for part in re.split("(#)", chinese))
