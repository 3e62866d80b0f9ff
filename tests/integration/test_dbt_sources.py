"""`deploy/dbt/sources.yml` describes the schema as it is."""

from __future__ import annotations

import yaml  # type: ignore[import-untyped]

from tests.conftest import Database
from tests.dbt_sources import FILE, sources


def test_the_file_is_that_of_a_new_database(database: Database) -> None:
    text = FILE.read_text(encoding="utf-8")
    assert text == sources(database), "The schema has changed: `make comments` writes the file anew."


def test_every_column_has_a_type_and_a_description_that_dbt_takes_as_it_is() -> None:
    text = FILE.read_text(encoding="utf-8")
    assert "{{" not in text and "{%" not in text  # dbt would render it
    (source,) = yaml.safe_load(text)["sources"]
    names = [table["name"] for table in source["tables"]]
    assert {"daily_bar", "daily_bar_qfq", "security", "sync_status", "trade_calendar"} <= set(names)
    assert len(names) == len(set(names))
    for table in source["tables"]:
        assert table["columns"]
        for column in table["columns"]:
            assert column["description"] and column["data_type"], (table["name"], column)
