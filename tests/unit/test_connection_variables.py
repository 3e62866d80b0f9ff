"""Connections in the environment, read without Airflow; Airflow's own reading is the measure."""

from __future__ import annotations

import json

import pytest
from airflow.sdk import Connection

from ashare.connection import parameters_of
from ashare.connection_variables import parse_connection
from ashare.errors import InvalidInput

URIS = (
    "postgresql://me:p%40ss%2Fw%3Ard%25@db.example:5433/ashare?sslmode=require",
    "postgres://me@%2Ftmp%2Fsocket/ashare",
    "postgresql://me:secret@db.example/a%20share?options=-c%20search_path%3Dx",
    "postgresql://me:secret@[::1]:5432/ashare",
    "baostock://anonymous:123456@public-api.baostock.com:10030",
    "baostock://host?__extra__=%7B%22api_key%22%3A%20%22k%22%7D",
    "generic://:dingtalk%3A%2F%2Ftoken%20feishu%3A%2F%2Fother@",
)


@pytest.mark.parametrize("uri", URIS)
def test_a_uri_is_read_as_airflow_reads_it(uri: str) -> None:
    found, theirs = parse_connection("NAME", uri), Connection.from_uri(uri, conn_id="x")
    assert (found.host, found.port) == (theirs.host or "", theirs.port)
    assert (found.login, found.password) == (theirs.login or "", theirs.password or "")
    assert found.schema == (theirs.schema or "")
    assert found.extra == theirs.extra_dejson


@pytest.mark.parametrize("extra", [{"sslmode": "require"}, json.dumps({"sslmode": "require"})])
@pytest.mark.parametrize("port", [5433, "5433"])
def test_json_is_read_as_airflow_reads_it(extra: object, port: object) -> None:
    text = json.dumps(
        {"conn_type": "postgres", "host": "h", "port": port, "login": "me", "password": "p@ss", "extra": extra}
    )
    found, theirs = parse_connection("NAME", text), Connection.from_json(text, conn_id="x")
    assert (found.host, found.port, found.login, found.password) == ("h", 5433, "me", "p@ss")
    assert (found.port, found.extra) == (theirs.port, theirs.extra_dejson)


def test_a_socket_in_the_query_is_the_host() -> None:
    found = parameters_of(parse_connection("NAME", "postgresql://me@/ashare?host=/tmp/socket"))
    assert found == {"host": "/tmp/socket", "user": "me", "dbname": "ashare"}


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://me:s3cret@word@host/db",  # Airflow and libpq differ in where the password ends
        "postgresql://me:s3cret@host:port/db",
        "s3cret",
        "{s3cret",
        '{"port": "s3cret"}',
        '{"extra": "s3cret"}',
        '{"extra": ["s3cret"]}',
        "postgresql://host/db?__extra__=s3cret",
    ],
)
def test_what_is_not_well_formed_is_refused_without_a_secret(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"^NAME is not ") as refused:
        parse_connection("NAME", text)
    assert "s3cret" not in str(refused.value)
    assert "\n" not in str(refused.value)
