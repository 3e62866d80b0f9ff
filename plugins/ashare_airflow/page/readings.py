"""What the page's routes read of the schema ``ashare``; they add what Airflow knows. The benchmark measures these."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date
from typing import Any

from ashare.code_spellings import parse_code_spelling
from ashare.datasets import DATASETS, kept_with
from ashare.kept_data import KeptDataset, kept_data
from ashare.status import StatusReader
from ashare.store.page_rows import Row
from ashare.store.verifications import verifications
from ashare.week_status import due_week, weekly_lists
from ashare_airflow.backfills import DAG_ID, HISTORY_DAG_ID, REFERENCE_DAG_ID
from ashare_airflow.page.models.sync_records import RecordPage, Stats, Status, SyncRecord
from ashare_airflow.page.security_search import FoundSecurity, find_securities

DAG_OF_PARTITION = {"trade_date": DAG_ID, "week": REFERENCE_DAG_ID, None: None}
"""The DAG one of whose runs works on one partition."""

MOST_COMPARISONS = 20
"""At most so many comparisons of a date are listed."""
KIND_OF = {name: dataset.kind or "factor" for name, dataset in DATASETS.items()}
"""The page's name of each dataset's rows, as in batches."""


def overview(reader: StatusReader) -> dict[str, Any]:
    """The page's head line, with the names of the model ``Overview``."""
    bounds = reader.bounds()
    first_open, last_open = reader.open_range()
    return {
        "now": reader.now(),
        "newest_complete": bounds.newest and {**bounds.newest, "date": bounds.newest["trade_date"]},
        "newest_due": bounds.newest_due,
        "lag": bounds.lag,
        "allowed_lag": reader.settings.max_lag,
        "newest_is_loading": reader.coverage(bounds.newest_due, bounds.newest_due)[0][1] == "running",
        "first_date": bounds.first_date,
        "counts": reader.counts(),
        "first_open": first_open,
        "last_open": last_open,
        "source": reader.source(),
        "kept": kept_with(reader.settings.kinds),
        "weekly": {"newest_due": due_week(reader), "lists": [asdict(each) for each in weekly_lists(reader)]},
    }


def record_page(
    reader: StatusReader,
    page: int,
    page_size: int,
    start: date | None = None,
    end: date | None = None,
    status: Status | None = None,
) -> RecordPage:
    """A page of the records, newest first; ``stats`` counts all that the dates select, whatever the status."""
    counts = reader.counts(start, end)
    total = counts[status] if status else sum(counts.values())
    rows = reader.records(start=start, end=end, status=status, limit=page_size, offset=(page - 1) * page_size)
    return RecordPage(
        records=[SyncRecord.from_row(row) for row in rows],
        total=total,
        page=page,
        page_size=page_size,
        total_pages=-(-total // page_size),
        stats=Stats(total=sum(counts.values()), **counts),
    )


def day(reader: StatusReader, row: Row) -> dict[str, Any]:
    """All that is known of a recorded date, with the names of the model ``Day``.

    :param row: the date's record.
    """
    chosen = row["trade_date"]
    previous, following = reader.neighbours(chosen)
    values: dict[str, Any] = {
        "record": SyncRecord.from_row(row),
        "at_limit": reader.rows.at_limit(chosen) if row["loaded"] else None,
        "previous": previous,
        "following": following,
        "acceptance": reader.rows.acceptance(chosen),
        "batches": reader.rows.batches(chosen),
        "comparisons": [
            {**each._asdict(), "kind": KIND_OF[each.dataset]}
            for each in verifications(reader.rows.connection, chosen, chosen, MOST_COMPARISONS)
        ],
        "checks": reader.rows.checks(chosen),
    }
    values["missing_total"], values["missing"] = reader.missing(row)
    for name in ("absent", "rejected", "revisions"):
        values[f"{name}_total"], values[name] = reader.rows.listed(name, chosen)
    return values


def securities(reader: StatusReader, typed: str) -> list[FoundSecurity]:
    """The securities that a person may mean."""
    return find_securities(reader.rows.listed_securities(), typed)


def meant_code(reader: StatusReader, written: str) -> str | None:
    """The code that a person means; without an exchange, that of a stock before that of an index or an ETF.

    :returns: ``None``: the text is no code, or it is without an exchange and the list of securities lacks it.
    """
    spelling = parse_code_spelling(written)
    codes = spelling.codes if spelling else ()
    return codes[0] if len(codes) == 1 else reader.rows.first_listed(codes)


def kept_datasets(reader: StatusReader) -> dict[str, Any]:
    """What is kept, with the names of the model ``KeptDatasets``."""
    found = kept_data(reader)
    return {
        "is_empty": not any(each.extent.rows for each in found if each.partition),
        "bytes": sum(dict(each.table for each in found).values()),
        "datasets": [_dataset_row(each) for each in found],
    }


def _dataset_row(of: KeptDataset) -> dict[str, Any]:
    dag_id = HISTORY_DAG_ID if of.last_run and of.last_run.is_history else DAG_OF_PARTITION.get(of.partition)
    return {
        **vars(of),
        **of.extent._asdict(),
        "completeness": of.completeness,
        "table": of.table.name,
        "bytes": of.table.size,
        "last_run": of.last_run and {**of.last_run._asdict(), "dag_id": dag_id},
    }
