"""A lake in an object store: the real s3fs speaks S3 to a server on this machine."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from moto.server import ThreadedMotoServer

from ashare.errors import InvalidInput
from ashare.export import export
from ashare.export.parquet_files import ExportBusy
from ashare.export.qlib import write_qlib
from ashare.lake.layout import file_of_year
from ashare.lake.storage import LakeUnavailable, Storage
from ashare.read import load_bars, load_panel, scan_bars, universe
from tests.conftest import Database, Databases
from tests.integration.test_lake_reads import fill

URL = "s3://research/lake"
SECRET = "wJalrXUtnFEMI-secret"


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[ThreadedMotoServer]:
    import fsspec

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "research",
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_MAX_ATTEMPTS": "1",
        "AWS_ALLOW_HTTP": "true",
    }.items():
        monkeypatch.setenv(name, value)
    fsspec.filesystem("s3").clear_instance_cache()
    fsspec.filesystem("s3").makedirs("s3://research", exist_ok=True)
    fsspec.filesystem("s3").rm("s3://research", recursive=True)  # the servers of a process share their buckets
    fsspec.filesystem("s3").makedirs("s3://research", exist_ok=True)
    yield server
    server.stop()
    fsspec.filesystem("s3").clear_instance_cache()


@pytest.fixture
def market(databases: Databases) -> Iterator[Database]:
    with databases.copied("migrated") as database:
        fill(database)
        yield database


def conninfo(database: Database) -> str:
    return f"host={database.server.socket_dir} user=postgres dbname={database.name}"


def test_a_lake_in_a_bucket_is_written_patched_and_read(
    market: Database, bucket: ThreadedMotoServer, tmp_path: Path
) -> None:
    def write(place: str | Path) -> list[str]:
        return export(place, incomplete="ignore", connection=conninfo(market)).written

    assert file_of_year(2025) in write(URL)
    assert write(URL) == []
    market.do("UPDATE ashare.daily_bar SET turn = 99 WHERE trade_date = '2025-01-15'")
    assert file_of_year(2025) in (written := write(URL))
    assert file_of_year(2024) not in written
    write(tmp_path / "lake")
    both: list[Any] = [URL, tmp_path / "lake"]
    for read in (
        lambda source: load_bars(adjust="qfq", source=source, incomplete="ignore"),
        lambda source: load_bars("sh.600000", index="sh.000300", source=source, incomplete="ignore"),
        lambda source: load_panel("close", adjust="hfq", source=source, incomplete="ignore"),
        lambda source: universe("2025-02-03", source=source),
    ):
        in_bucket, in_directory = map(read, both)
        pd.testing.assert_frame_equal(in_bucket, in_directory, check_exact=True)
    frames = [scan_bars("hfq", source=place).sort("code", "trade_date").collect() for place in both]
    assert frames[0].equals(frames[1])
    manifests = [json.loads(Storage(str(place)).read("manifest.json") or b"") for place in both]
    assert manifests[0]["datasets"] == manifests[1]["datasets"]
    assert write_qlib(URL, tmp_path / "qlib") == len(load_bars(source=URL, incomplete="ignore")["code"].unique())
    market.do("DELETE FROM ashare.daily_bar WHERE trade_date < '2025-01-01'")
    write(URL)
    assert Storage(URL).read(file_of_year(2024)) is None


def test_two_exports_into_one_bucket_do_not_mix(market: Database, bucket: ThreadedMotoServer) -> None:
    with market.connect() as other:
        other.execute("SELECT pg_advisory_xact_lock(hashtextextended('ashare lake ' || %s, 0))", (URL,))
        with pytest.raises(ExportBusy, match=f"Another export writes into {URL}: wait until it has ended"):
            export(URL, incomplete="ignore", connection=conninfo(market))
    export(URL, incomplete="ignore", connection=conninfo(market))


def test_what_goes_wrong_is_one_sentence_without_a_secret(
    market: Database, bucket: ThreadedMotoServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(LakeUnavailable) as refused:
        export("s3://nobodys/lake", incomplete="ignore", connection=conninfo(market))
    assert "s3://nobodys/lake cannot be written (" in str(refused.value)
    with pytest.raises(InvalidInput, match=r"There is no lake at s3://research/other \(it has no manifest.json\)"):
        load_bars(source="s3://research/other")
    export(URL, incomplete="ignore", connection=conninfo(market))
    bucket.stop()
    for call in (
        lambda: load_bars(source=URL),
        lambda: export(URL, incomplete="ignore", connection=conninfo(market)),
    ):
        with pytest.raises(LakeUnavailable) as away:
            call()
        assert f"{URL} cannot be read (" in str(away.value)
        assert "\n" not in str(away.value)
        assert SECRET not in str(away.value)
