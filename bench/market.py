"""A database in the state after many years: about 5,000 stocks per session, and the rows of all status tables.

The calendar is real. The prices are not: all securities follow the same walk, each from its own offset. A session's
distance from the newest session decides its fate (complete, partial, failed or nothing); the numbers ``n`` of the
session and the security decide the exceptions. Years are added into the past, so that the loaded sessions stay the
newest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg

from ashare.settings import DEFAULT_INDICES
from ashare.store import Store
from ashare.store.rows import Security
from ashare_emulator.panel import PanelMarket
from ashare_emulator.trading_days import calendar_days

if TYPE_CHECKING:
    from typing_extensions import LiteralString  # in typing since Python 3.11

Connect = Callable[[], psycopg.Connection[Any]]

LAST = date(2026, 10, 30)
COMING = 22
"""Number of sessions after ``LAST``: the emulator has their bars, the database does not."""
DAILY = 250
"""Number of newest sessions, whose bars are written day by day. Earlier bars are written by stock, as by a history
load."""
PART = 80
"""Number of securities whose history one statement writes."""

PREPARE = """
-- Or it would read the bars beside us; VACUUM comes once, at the end.
ALTER SYSTEM SET autovacuum = off;
SELECT pg_reload_conf();

CREATE SCHEMA bench;

CREATE TABLE bench.session AS
SELECT n, day, CASE WHEN back %% 701 = 10 THEN 'failed' WHEN back %% 601 = 20 THEN 'nothing'
                    WHEN back %% 499 = 30 THEN 'partial' ELSE 'complete' END AS fate
FROM (SELECT calendar_date AS day, row_number() OVER (ORDER BY calendar_date)::integer AS n,
             row_number() OVER (ORDER BY calendar_date DESC) - 1 AS back
      FROM ashare.trade_calendar WHERE is_trading_day AND calendar_date <= %(last)s) AS numbered
ORDER BY n;

CREATE TABLE bench.coming AS
SELECT (SELECT max(n) FROM bench.session) + row_number() OVER (ORDER BY calendar_date)::integer AS n,
       calendar_date AS day
FROM ashare.trade_calendar WHERE is_trading_day AND calendar_date > %(last)s ORDER BY calendar_date LIMIT %(coming)s;

CREATE TABLE bench.security AS
SELECT row_number() OVER (ORDER BY code)::integer AS n, code, kind,
       coalesce(ipo_date, '-infinity') AS listed_from, coalesce(out_date, 'infinity') AS listed_to
FROM ashare.security ORDER BY code;

CREATE TABLE bench.walk AS
SELECT n, last AS open, round(greatest(close, last) * 1.01, 2) AS high, round(least(close, last) * 0.99, 2) AS low,
       close, last AS preclose, 1000000 + n * 977 AS volume, round(close * (1000000 + n * 977), 4) AS amount,
       round(0.5 + n / 7919.0, 6) AS turn, round((close / last - 1) * 100, 6) AS pct_chg, round(close * 0.73, 6) AS pe
FROM (SELECT n, close, lag(close, 1, close) OVER (ORDER BY n) AS last
      FROM (SELECT n, round((20 + 10 * sin(n / 97.0) + 2 * sin(n / 7.0))::numeric, 2) AS close
            FROM generate_series(0, 9999) AS n) AS price) AS step;
ANALYZE bench.session, bench.security, bench.walk;

CREATE VIEW bench.bar AS
SELECT d.day, s.code, w.open, w.high, w.low, w.close,
       round(w.preclose / CASE WHEN s.kind = 'stock' AND (d.n + s.n * 7) %% 400 = 0 THEN 1.02 ELSE 1 END, 2) AS prec,
       w.volume, w.amount, w.turn, w.pct_chg, (s.n + d.n / 20) %% 50 <> 0 AS is_trading, false AS is_st, w.pe,
       w.turn AS pb, w.turn AS ps, w.pe AS pcf, s.n AS s, d.n AS d
FROM bench.security s CROSS JOIN bench.session d JOIN bench.walk w ON w.n = (s.n * 37 + d.n) %% 10000
WHERE s.listed_from <= d.day AND s.listed_to > d.day AND (s.n * 31 + d.n) %% 9973 <> 0
  AND (d.fate = 'complete' OR d.fate = 'partial' AND s.n %% 14 <> 0);

-- Written faster, and read alike: nothing of it is logged, and its indices are made when the rows are there.
ALTER TABLE ashare.daily_bar SET UNLOGGED
"""

DROP_INDICES = """
ALTER TABLE ashare.daily_bar DROP CONSTRAINT daily_bar_pkey;
DROP INDEX ashare.daily_bar_code_trade_date, ashare.daily_bar_suspended
"""

BARS = """
INSERT INTO ashare.daily_bar (trade_date, code, open, high, low, close, preclose, volume, amount, turn, pct_chg,
                              is_trading, is_st, pe_ttm, pb_mrq, ps_ttm, pcf_ncf_ttm)
SELECT day, code, open, high, low, close, prec, volume, amount, turn, pct_chg, is_trading, is_st, pe, pb, ps, pcf
FROM bench.bar
WHERE s >= %(first_code)s AND s < %(end_code)s AND d >= %(first_day)s AND d < %(end_day)s
ORDER BY s, d
"""

INDEX = """
SET maintenance_work_mem = '512MB';
ALTER TABLE ashare.daily_bar ADD PRIMARY KEY (trade_date, code);
CREATE INDEX daily_bar_code_trade_date ON ashare.daily_bar (code, trade_date);
CREATE INDEX daily_bar_suspended ON ashare.daily_bar (code, trade_date) WHERE NOT is_trading
"""

# Explains the bars that are left out: nine in ten are absent at the source, one in ten is rejected.
STATUS = """
INSERT INTO ashare.absent_bar (trade_date, code, reason, recorded_at)
SELECT d.day, s.code, 'Baostock has no bar.', d.day + 1
FROM bench.session d JOIN bench.security s
  ON (s.n * 31 + d.n) %% 9973 = 0 AND s.listed_from <= d.day AND s.listed_to > d.day
WHERE d.n >= %(first)s AND d.n < %(end)s AND d.fate = 'complete' AND (s.n + d.n) %% 10 <> 0;

INSERT INTO ashare.rejected_bar (trade_date, code, rule, raw, rejected_at, superseded_at)
SELECT d.day, s.code, 'high is below low', '{"open": "10.10", "high": "9.90", "low": "10.00"}', d.day + 1,
       CASE WHEN (s.n * 31 + d.n) %% 9973 = 1 THEN d.day + 2 END
FROM bench.session d JOIN bench.security s
  ON (s.n * 31 + d.n) %% 9973 IN (0, 1) AND s.listed_from <= d.day AND s.listed_to > d.day
WHERE d.n >= %(first)s AND d.n < %(end)s AND d.fate = 'complete'
  AND ((s.n * 31 + d.n) %% 9973 = 1 OR (s.n + d.n) %% 10 = 0);

INSERT INTO ashare.bar_revision (trade_date, code, old, new, revised_at)
SELECT d.day, s.code, '{"close": 10.10}', '{"close": 10.11}', d.day + 1
FROM bench.session d CROSS JOIN generate_series(1, 12) AS i
JOIN bench.security s ON s.n = 1 + (d.n * 84 + i * 7) %% 5200
WHERE d.n >= %(first)s AND d.n < %(end)s;

INSERT INTO ashare.adjust_factor (code, ex_date, fore_factor, back_factor)
SELECT s.code, d.day, 1, round(1.02 ^ ((d.n + s.n * 7) / 400 - s.n * 7 / 400), 6)
FROM bench.session d JOIN bench.security s ON (d.n + s.n * 7) %% 400 = 0
WHERE d.n >= %(first)s AND d.n < %(end)s AND s.kind = 'stock' AND s.listed_from < d.day AND s.listed_to > d.day
ORDER BY d.day, s.code;

INSERT INTO ashare.factor_history (code) SELECT code FROM bench.security WHERE kind = 'stock' AND n %% 2 = 0
ON CONFLICT DO NOTHING;

INSERT INTO ashare.counted_partition
    (dataset, partition, expected, rows, suspended, absent, rejected, missing, problem, started_at, counted_at,
     run_id)
SELECT k.dataset, d.day, coalesce(l.loaded, 0) + missing, coalesce(l.loaded, 0), coalesce(suspended, 0), 0, 0,
       missing,
       CASE WHEN missing > 0 THEN missing || ' securities are missing.' END,
       d.day + time '17:30', d.day + time '17:31', 'scheduled__' || d.day
FROM bench.session d
CROSS JOIN (VALUES ('stock_bar'), ('index_bar'), ('adjust_factor')) AS k (dataset)
LEFT JOIN ashare.loaded_rows('-infinity', 'infinity') l ON l.dataset = k.dataset AND l.partition = d.day
LEFT JOIN (SELECT d.day, count(*) AS suspended FROM bench.session d JOIN ashare.daily_bar b ON b.trade_date = d.day
           WHERE d.n >= %(first)s AND d.n < %(end)s AND NOT is_trading GROUP BY d.day) AS bars
    ON bars.day = d.day AND k.dataset = 'stock_bar'
CROSS JOIN LATERAL (SELECT CASE WHEN k.dataset <> 'stock_bar' THEN 0 WHEN fate = 'failed' THEN 5512
                                WHEN fate = 'partial' THEN 394 ELSE 0 END) AS gap (missing)
WHERE d.n >= %(first)s AND d.n < %(end)s AND fate <> 'nothing';

INSERT INTO ashare.work (dataset, partition, run_id, started_at, error, ended_at)
SELECT dataset, partition, run_id, started_at, problem, counted_at FROM ashare.counted_partition
WHERE problem IS NOT NULL AND partition >= (SELECT day FROM bench.session WHERE n = %(first)s)
  AND partition <= (SELECT day FROM bench.session WHERE n = %(end)s - 1);

INSERT INTO ashare.counted_partition (dataset, partition, expected, rows, missing, note, is_closed, counted_at)
SELECT 'stock_bar', calendar_date, 0, 0, 0, 'An exchange holiday.', true, now()
FROM ashare.trade_calendar
WHERE NOT is_trading_day AND extract(isodow FROM calendar_date) < 6
  AND calendar_date >= (SELECT day FROM bench.session WHERE n = %(first)s)
  AND calendar_date <= (SELECT day FROM bench.session WHERE n = %(end)s - 1);

INSERT INTO ashare.batch (plan, trade_date, batch_no, kind, by, codes, label, status, rows, requests, error, run_id,
                          started_at, finished_at)
SELECT d.day::text, d.day, no, (ARRAY['factor', 'stock', 'index'])[no + 1],
       (ARRAY['code', 'market_day', 'code'])[no + 1],
       CASE no WHEN 2 THEN (SELECT array_agg(code) FROM bench.security WHERE kind = 'index') END, 'batch ' || no,
       CASE WHEN no = 1 AND fate <> 'complete' THEN 'failed' ELSE 'success' END, (ARRAY[3, 5500, 12])[no + 1], 20,
       CASE WHEN no = 1 AND fate <> 'complete' THEN 'Baostock did not answer in time.' END, 'scheduled__' || d.day,
       d.day + time '17:30', d.day + time '17:31'
FROM bench.session d CROSS JOIN generate_series(0, 2) AS no
WHERE d.n >= %(first)s AND d.n < %(end)s AND fate <> 'nothing';

INSERT INTO ashare.cross_check (trade_date, kind, rule, compared, deviating, allowed, passed, figures, examples)
SELECT d.day, 'stock', rule, 5500, 0, 15, true, '{}', '{}'
FROM bench.session d CROSS JOIN unnest('{universe,rows,preclose,pct_chg,ex_dates,volume,limits}'::text[]) AS rule
WHERE d.n >= %(first)s AND d.n < %(end)s AND fate = 'complete';

-- 60 for each date.
INSERT INTO ashare.source_request (requested_at, method, detail, trade_date, who, outcome, seconds, reply_chars)
SELECT d.day + time '17:30' + i * interval '1 second', 'query_history_k_data_plus', 'a code and a date', d.day,
       'fetch_and_copy', CASE WHEN (d.n * 60 + i) %% 1000 = 0 THEN 'timed out' ELSE 'ok' END, 0.2, 900
FROM bench.session d CROSS JOIN generate_series(1, 60) AS i
WHERE d.n >= %(first)s AND d.n < %(end)s
ORDER BY d.day, i
"""

# Of each stock, a span of some years after another; of each index, a tenth of other members each half-year.
LISTS = """
TRUNCATE ashare.snapshot, ashare.index_member, ashare.industry, ashare.security_name;

CREATE TEMPORARY TABLE week AS
SELECT monday::date, ((monday::date - date '2000-01-03') / 7)::integer AS n
FROM generate_series(date_trunc('week', %(since)s::date + 6), %(last)s::date, interval '7 days') AS monday;

INSERT INTO ashare.industry (classification, code, industry, start_date, end_date)
SELECT 'bench', s.code, 'industry ' || w.n %% 80, w.monday,
       lead(w.monday) OVER (PARTITION BY s.code ORDER BY w.monday)
FROM bench.security s
JOIN (SELECT *, min(n) OVER () AS first FROM week WHERE monday >= ashare.first_partition('industry')) AS w
  ON w.n = w.first OR (w.n + s.n) %% 400 = 0
WHERE s.kind = 'stock';

INSERT INTO ashare.security_name (code, name, start_date, end_date)
SELECT s.code, 'name ' || w.n, w.monday, lead(w.monday) OVER (PARTITION BY s.code ORDER BY w.monday)
FROM bench.security s
JOIN (SELECT *, min(n) OVER () AS first FROM week WHERE monday >= ashare.first_partition('security_name')) AS w
  ON w.n = w.first OR (w.n + s.n) %% 300 = 0
WHERE s.kind = 'stock';

INSERT INTO ashare.index_member (index_code, code, start_date, end_date)
SELECT i.code, s.code, min(h.begin), nullif(max(h.until), 'infinity')
FROM (VALUES ('sh.000016', 50), ('sh.000300', 300), ('sh.000905', 500)) AS i (code, members)
JOIN bench.security s ON s.kind = 'stock'
JOIN (SELECT n / 26 AS no, min(monday) AS begin,
             lead(min(monday), 1, 'infinity') OVER (ORDER BY n / 26) AS until FROM week GROUP BY n / 26) AS h
  ON (s.n + h.no * i.members / 10) %% 5200 < i.members
GROUP BY i.code, s.code, (s.n + h.no * i.members / 10) / 5200;

INSERT INTO ashare.snapshot (dataset, as_of, rows, update_date)
SELECT d.name, w.monday, 0, w.monday
FROM unnest('{index_member,industry,security_name}'::text[]) AS d (name)
JOIN week w ON w.monday >= ashare.first_partition(d.name);

UPDATE ashare.snapshot SET rows = loaded
"""

TODAY = """
-- Of the requests that Baostock allows in a day nearly all were sent today, for the newest 20 dates.
INSERT INTO ashare.source_request (requested_at, method, detail, trade_date, who, outcome, seconds, reply_chars)
SELECT midnight + (now() - midnight) * i / 48000, 'query_history_k_data_plus', 'a code and a date', d.day,
       'fetch_and_copy', 'ok', 0.2, 900
FROM (SELECT date_trunc('day', now(), 'Asia/Shanghai'), max(n) FROM bench.session) AS today (midnight, newest)
CROSS JOIN generate_series(1, 48000) AS i
JOIN bench.session d ON d.n = newest - 19 + (i - 1) / 2400
ORDER BY 1
"""

COMING_BARS = """
COPY (
    SELECT d.day AS date, s.code, w.open, w.high, w.low, w.close, p.preclose, w.volume, w.amount, 3 AS adjustflag,
           w.turn, CASE WHEN s.kind = 'stock' THEN 1 END AS tradestatus,
           round((w.close / p.preclose - 1) * 100, 6) AS "pctChg", w.pe AS "peTTM", w.turn AS "pbMRQ",
           w.turn AS "psTTM", w.pe AS "pcfNcfTTM", CASE WHEN s.kind = 'stock' THEN 0 END AS "isST"
    FROM bench.coming d CROSS JOIN bench.security s JOIN bench.walk w ON w.n = (s.n * 37 + d.n) % 10000
    CROSS JOIN LATERAL (
        SELECT round(w.preclose / CASE WHEN s.kind = 'stock' AND (d.n + s.n * 7) % 400 = 0 THEN 1.02 ELSE 1 END, 2)
    ) AS p (preclose)
    WHERE s.listed_from <= d.day AND s.listed_to > d.day
) TO STDOUT (FORMAT csv, HEADER)
"""

COMING_FACTORS = """
COPY (
    SELECT s.code, d.day AS "dividOperateDate", round(1.02 ^ ((d.n + s.n * 7) / 400), 6) AS "backAdjustFactor"
    FROM bench.coming d CROSS JOIN bench.security s
    WHERE s.kind = 'stock' AND (d.n + s.n * 7) % 400 = 0 AND s.listed_from < d.day AND s.listed_to > d.day
) TO STDOUT (FORMAT csv, HEADER)
"""

COMING_SECURITIES = """
COPY (
    SELECT code, name AS code_name, coalesce(ipo_date, '1990-12-19') AS "ipoDate", out_date AS "outDate",
           CASE kind WHEN 'index' THEN 2 ELSE 1 END AS type, 1 AS status
    FROM ashare.security
) TO STDOUT (FORMAT csv, HEADER)
"""


class YearsMarket:
    """The market in a database that is empty at first and grows by years into the past.

    :param years: the largest number of years.
    :param workers: number of connections that write bars in parallel.
    """

    def __init__(self, connect: Connect, years: int, workers: int) -> None:
        self._connect, self._workers = connect, workers
        self.first = LAST.replace(year=LAST.year - years) + timedelta(days=1)
        until = date(LAST.year, 12, 31)
        with Store(connect) as store:
            store.migrate()
            store.calendar.save(calendar_days(self.first, until))
            store.universe.save(
                [*self._stocks(), *(Security(code, f"指数{code}", "index", None, None) for code in DEFAULT_INDICES)]
            )
        self._do(PREPARE, {"last": LAST, "coming": COMING})
        self._do(TODAY)
        self.coming: list[date] = [day for (day,) in self._rows("SELECT day FROM bench.coming ORDER BY day")]
        ((self._sessions, self._codes),) = self._rows(
            "SELECT (SELECT max(n) FROM bench.session), (SELECT max(n) FROM bench.security)"
        )
        self._from = self._sessions + 1

    def grow(self, years: int, begin: Callable[[str], None]) -> None:
        """Add earlier bars until ``years`` years are loaded in all.

        :param begin: called with the name of each phase.
        """
        since = LAST.replace(year=LAST.year - years) + timedelta(days=1)
        ((first,),) = self._rows("SELECT min(n) FROM bench.session WHERE day >= %s", since)
        before = self._from
        begin(f"bars of {years} years")
        self._do(DROP_INDICES)
        recent = max(min(self._sessions + 1 - DAILY, before), first)
        parts = (
            [(code, code + PART, first, recent) for code in range(1, self._codes + 1, PART)] if first < recent else []
        )
        parts += [(1, self._codes + 1, day, day + 1) for day in range(recent, before)]
        pool = ThreadPoolExecutor(self._workers)
        try:
            list(pool.map(lambda part: self._bars(*part), parts))
        finally:
            pool.shutdown(wait=False, cancel_futures=True)  # after Ctrl-C, running statements end with the server
        begin("indices of the bars")
        self._do(INDEX)
        begin("status tables, vacuum")
        self._do(STATUS, {"first": first, "end": before})
        self._do(LISTS, {"since": since, "last": LAST})
        self._do("SELECT ashare.fold_row_count_changes()")  # as at the end of each run
        self._do("VACUUM ANALYZE")
        self._from = first

    def write(self, directory: Path) -> PanelMarket:
        """Write the coming sessions to CSV files in ``directory``; return them as a market for the emulator."""
        files = {"bars": COMING_BARS, "factors": COMING_FACTORS, "securities": COMING_SECURITIES}
        for name, query in files.items():
            with (
                closing(self._connect()) as connection,
                connection.cursor().copy(query) as copy,
                (directory / f"{name}.csv").open("wb") as file,
            ):
                for chunk in copy:
                    file.write(chunk)
        return PanelMarket(
            [directory / "bars.csv"], basic=directory / "securities.csv", factors=[directory / "factors.csv"]
        )

    def _stocks(self) -> Iterator[Security]:
        """5,200 stocks: 4,800 listed throughout, 200 newly listed, 200 delisted."""
        for n in range(1, 5201):
            code = f"sh.{600000 + n}" if n <= 2600 else f"sz.{n - 2600:06}"
            some_day = self.first + timedelta(days=36 * (n % 200))
            listed_from = some_day if 4800 < n <= 5000 else self.first - timedelta(days=n)
            yield Security(code, f"股票{n}", "stock", listed_from, some_day if n > 5000 else None)

    def _do(self, statements: LiteralString, values: Mapping[str, Any] | None = None) -> None:
        """Run each statement in autocommit mode, as VACUUM and ALTER SYSTEM require."""
        with closing(self._connect()) as connection:
            connection.autocommit = True
            for statement in statements.split(";\n"):
                connection.execute(statement, values or {})

    def _rows(self, query: LiteralString, *values: object) -> list[tuple[Any, ...]]:
        with closing(self._connect()) as connection:
            return connection.execute(query, values).fetchall()

    def _bars(self, first_code: int, end_code: int, first_day: int, end_day: int) -> None:
        numbers = {"first_code": first_code, "end_code": end_code, "first_day": first_day, "end_day": end_day}
        with self._connect() as connection:
            connection.execute(BARS, numbers)
