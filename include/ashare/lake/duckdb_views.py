"""Views of a lake for DuckDB: as SQL, or written into a file of DuckDB's."""

from __future__ import annotations

from pathlib import Path

from ashare.errors import InvalidInput
from ashare.lake.lake_manifest import read_manifest
from ashare.lake.layout import year_of
from ashare.lake.storage import Storage

DEFINITIONS = Path(__file__).with_suffix(".sql")


def definitions(place: str) -> str:
    """The statements that create the views: bars as traded and adjusted, price limits, and one view per table.

    :param place: the lake, a path or an fsspec URL.
    :raises InvalidInput: there is no lake.
    """
    storage = Storage(place)
    tables = sorted(file for file in read_manifest(storage).files if not year_of(file))
    view = "CREATE OR REPLACE VIEW {name} AS SELECT * FROM read_parquet('{{root}}/{name}.parquet');\n"
    views = DEFINITIONS.read_text(encoding="utf-8")
    views += "".join(view.format(name=table.removesuffix(".parquet")) for table in tables)
    return views.replace("{root}", storage.root.replace("'", "''"))


def attach(place: str, file: Path) -> int:
    """Write the views into a file of DuckDB's, which is made if it is not there.

    :returns: number of views.
    :raises InvalidInput: there is no lake, duckdb is not installed, or the file is not one of DuckDB's or is in use.
    """
    statements = definitions(place)
    try:
        import duckdb
    except ImportError:
        raise InvalidInput(
            "Views are written with the library duckdb, which is not installed: pip install duckdb, or leave out the "
            "file and pipe what is printed into DuckDB."
        ) from None
    try:
        with duckdb.connect(str(file)) as connection:
            if "://" in place:
                connection.execute("INSTALL httpfs; LOAD httpfs")
            connection.execute(statements)
    except duckdb.Error as error:
        raise InvalidInput(f"{file} cannot be written ({' '.join(str(error).split())}).") from error
    return statements.count("CREATE OR REPLACE VIEW")
