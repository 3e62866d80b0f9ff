"""The connection `ashare_postgres` of the environment, as the command, Airflow's processes and readers open it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import psycopg
import pytest

from ashare.connection import CONNECT_SECONDS
from ashare.environment import Environment
from ashare.errors import InvalidInput
from ashare.store.read_connection import read_only_connection
from ashare_airflow.connections import AirflowConnections
from ashare_local.postgres import EmbeddedPostgres

VARIABLE = "AIRFLOW_CONN_ASHARE_POSTGRES"
Connector = Callable[[], Callable[[], AbstractContextManager["psycopg.Connection[Any]"]]]


def reader() -> Callable[[], AbstractContextManager[psycopg.Connection[Any]]]:
    return read_only_connection


@pytest.mark.parametrize("connector", [Environment().connector, AirflowConnections().connector, reader])
@pytest.mark.parametrize(
    ("in_the_uri", "in_the_environment", "seconds"),
    [("", None, str(int(CONNECT_SECONDS))), ("&connect_timeout=7", None, "7"), ("", "5", "5")],
)
def test_a_server_that_does_not_answer_is_given_up_after_the_time_that_is_set(
    postgres: EmbeddedPostgres,
    monkeypatch: pytest.MonkeyPatch,
    connector: Connector,
    in_the_uri: str,
    in_the_environment: str | None,
    seconds: str,
) -> None:
    monkeypatch.setenv(VARIABLE, f"postgresql://postgres@/postgres?host={postgres.socket_dir}{in_the_uri}")
    if in_the_environment:
        monkeypatch.setenv("PGCONNECT_TIMEOUT", in_the_environment)
    else:
        monkeypatch.delenv("PGCONNECT_TIMEOUT", raising=False)
    with connector()() as connection:
        assert connection.info.get_parameters()["connect_timeout"] == seconds


@pytest.mark.parametrize("connect", [Environment().connector, Environment().conninfo])
def test_a_connection_to_another_kind_of_database_is_refused(
    monkeypatch: pytest.MonkeyPatch, connect: Callable[[], object]
) -> None:
    monkeypatch.setenv(VARIABLE, "mysql://me:s3cret@db.example/ashare")
    with pytest.raises(InvalidInput, match=VARIABLE) as refused:
        connect()
    assert "s3cret" not in str(refused.value)
