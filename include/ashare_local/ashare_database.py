"""The ``ashare`` database: that of ``AIRFLOW_CONN_ASHARE_POSTGRES`` if the variable is set, or the embedded one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import psycopg

from ashare.connection import CONNECT_SECONDS, PARAMETERS, POSTGRES_VARIABLE, libpq_env
from ashare_local import StackError
from ashare_local.make_variables import demo_dir, state_dir, wants_demo
from ashare_local.postgres import EmbeddedPostgres, running_server
from ashare_local.stack_connections import caller_environment
from ashare_local.state_directory import claim
from ashare_local.terminal import shown


def connect(libpq: Mapping[str, str]) -> psycopg.Connection:
    """Connect with libpq's variables.

    :raises StackError: the database refuses the connection.
    """
    parameters: dict[str, Any] = {"connect_timeout": CONNECT_SECONDS, "client_encoding": "UTF8"}
    parameters |= {PARAMETERS[variable]: value for variable, value in libpq.items()}
    try:
        return psycopg.connect(**parameters)
    except psycopg.OperationalError as error:
        where = f"{libpq.get('PGHOST', 'localhost')}:{libpq.get('PGPORT', '5432')}"
        raise StackError(
            f"The ashare database at {where} refuses: {str(error).splitlines()[-1].strip()}. "
            "Check AIRFLOW_CONN_ASHARE_POSTGRES."
        ) from error


@contextmanager
def ashare_database(*, may_be_new: bool = False) -> Iterator[dict[str, str]]:
    """libpq's variables for the database. If the embedded server is not running, it runs for the block.

    :param may_be_new: create the embedded database if there is none.
    :raises StackError: there is no embedded database yet, or a stack that is starting or stopping holds the lock.
    :raises InvalidInput: ``AIRFLOW_CONN_ASHARE_POSTGRES`` is not a PostgreSQL connection.
    :raises PostgresError: the embedded server does not start.
    """
    if given := caller_environment().get(POSTGRES_VARIABLE):
        yield libpq_env(POSTGRES_VARIABLE, given)
        return
    directory = demo_dir() if wants_demo() else state_dir()
    postgres = EmbeddedPostgres(directory / "postgres")
    if not postgres.data_dir.exists() and not may_be_new:
        first = "make demo" if wants_demo() else "make up"
        raise StackError(f"There is no database in {shown(directory)} yet: run `{first}` first.")
    if running_server(postgres.directory):
        yield postgres.libpq_env("ashare")
        return
    directory.mkdir(parents=True, exist_ok=True)
    # The lock keeps out a concurrent `make up`: the end of this block would stop its database.
    with claim(directory), postgres:
        yield postgres.libpq_env("ashare")
