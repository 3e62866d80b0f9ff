"""`deploy/dbt/sources.yml`, from the comments of the schema: `make comments` writes it anew."""

from __future__ import annotations

import tempfile
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from ashare.store import Store
from ashare_local import PROJECT
from ashare_local.postgres import EmbeddedPostgres
from tests.conftest import Database

FILE = PROJECT / "deploy" / "dbt" / "sources.yml"
HEAD = """\
# The schema ashare as dbt's source: source('ashare', 'daily_bar'). Copy the file into your project's models/.
# Written by `make comments` from the comments in the database.
"""
DESCRIPTION = "A-share sync: the China A-share market's daily bars, with what is known of their completeness."
COMMENTED = """
SELECT c.relname, obj_description(c.oid), a.attname, format_type(a.atttypid, a.atttypmod),
       col_description(c.oid, a.attnum)
FROM pg_class c
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relnamespace = 'ashare'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm')
  AND c.relname <> 'schema_migration'
ORDER BY c.relname, a.attnum
"""


class _Dumper(yaml.SafeDumper):  # type: ignore[misc]
    """Indents the items of a list, as dbt's own files do."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> Any:
        return super().increase_indent(flow, False)


def sources(database: Database) -> str:
    """The text of the file, of a migrated database: each table and view, but the record of its migrations."""
    tables = []
    for (name, description), columns in groupby(database.rows(COMMENTED), key=itemgetter(0, 1)):
        described = [
            {"name": column, "description": comment, "data_type": data_type}
            for *_, column, data_type, comment in columns
        ]
        tables.append({"name": name, "description": description, "columns": described})
    source = {"name": "ashare", "description": DESCRIPTION, "schema": "ashare", "tables": tables}
    document = {"version": 2, "sources": [source]}
    text: str = yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=116)
    return HEAD + text


def main() -> None:
    """Write the file, of a database that is made for it."""
    with (
        tempfile.TemporaryDirectory() as directory,
        EmbeddedPostgres(Path(directory) / "postgres", databases=("ashare",), durable=False) as server,
    ):
        database = Database(server, "ashare")
        with Store(database.connect) as store:
            store.migrate()
        FILE.write_text(sources(database), encoding="utf-8")
        database.close()


if __name__ == "__main__":
    main()
