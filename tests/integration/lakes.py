"""Writes a lake from a test's database."""

from __future__ import annotations

import json
import secrets
from datetime import datetime, timezone
from pathlib import Path

from pyarrow import parquet

from ashare.export.snapshot import TABLES
from ashare.read_columns import FIELDS, KEY
from ashare.store import arrow, export_rows
from tests.conftest import Database

BARS = {**KEY, **FIELDS, "limit_up": "float64", "limit_down": "float64", "limit_rule": "string", "hfq_factor": "float64"}


def _table(connection, query, types):
    from psycopg import sql

    with arrow.copied(connection, sql.SQL(query)) as texts:
        return arrow.parsed(b"".join(texts), arrow.schema(types))


def write_lake(database: Database, directory: Path, options: str = "") -> Path:
    from ashare.store.read_connection import read_transaction

    directory.mkdir(parents=True, exist_ok=True)
    with database.connect() as connection, read_transaction(connection):
        files = {}
        names = ", ".join(f"b.{name}" for name in (*KEY, *FIELDS))
        bars = _table(
            connection,
            f"""SELECT {names}, l.limit_up, l.limit_down, l.rule, b.back_factor FROM ashare.daily_bar_factor b
                LEFT JOIN ashare.daily_limit l USING (trade_date, code) ORDER BY b.code, b.trade_date""",
            BARS,
        )
        years = sorted({day.year for day in bars.column("trade_date").unique().to_pylist()})
        import pyarrow.compute as pc

        for year in years:
            file = f"daily_bar/year={year}/part-0.parquet"
            part = bars.filter(pc.equal(pc.year(bars.column("trade_date")), year))
            (directory / file).parent.mkdir(parents=True, exist_ok=True)
            parquet.write_table(part, directory / file, compression="zstd", row_group_size=500)
            files[file] = {"rows": len(part), "bytes": 0}
        for name, types in TABLES.items():
            if name == "security":
                query = "SELECT code, name, kind, ipo_date, out_date, gone_from, updated_at FROM ashare.security ORDER BY code"
                types = {k: v for k, v in types.items() if k != "updated_at"} | {"gone_from": "date32", "updated_at": arrow.MOMENT}
                table = _table(connection, query, types)
            else:
                table = arrow.parsed(export_rows.table_text(connection, name), arrow.schema(types))
            parquet.write_table(table, directory / f"{name}.parquet")
            files[f"{name}.parquet"] = {"rows": len(table), "bytes": 0}
        datasets: dict = {}
        for dataset, day, state, is_recorded, is_asked, loaded in connection.execute(
            """SELECT dataset, partition, state, is_recorded, is_asked, loaded FROM ashare.partition_state(
               '{stock_bar,index_bar,etf_bar,adjust_factor}', '1990-01-01', '2100-01-01', NULL, NULL, NULL)"""
        ):
            entries = datasets.setdefault(dataset, {})
            if loaded or state not in ("before", "unpublished"):
                entries[str(day)] = {"rows": loaded, "state": state, "is_asked": is_asked, "is_recorded": is_recorded}
        for dataset, day, state, loaded in connection.execute(
            """SELECT dataset, partition, state, loaded FROM ashare.week_state(
               '{index_member,industry,security_name}', '2000-01-01', '2030-01-01', NULL, NULL)"""
        ):
            entries = datasets.setdefault(dataset, {})
            if loaded or state not in ("before", "unpublished"):
                entries[str(day)] = {"rows": loaded, "state": state}
        days = bars.column("trade_date")
    manifest = {
        "format": 2,
        "schema_version": 18,
        "package": "2.3.0",
        "database": "x",
        "options": options,
        "generation": secrets.token_hex(8),
        "written_at": datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "first": str(pc.min(days).as_py()) if len(days) else None,
        "last": str(pc.max(days).as_py()) if len(days) else None,
        "files": files,
        "datasets": datasets,
    }
    (directory / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return directory
