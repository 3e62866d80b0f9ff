"""From Airflow to this package: connections become settings, a task's context becomes a ``Run``.

The only module in ``include`` that knows Airflow.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from ashare.connection import CONNECT_SECONDS
from ashare.dates import FIRST_TRADE_DATE, SHANGHAI, parse_date, parse_trade_date
from ashare.errors import AshareError, InvalidInput, StoreUnavailable
from ashare.params import check_names
from ashare.settings import POOL, POOL_SLOTS, Settings
from ashare.source import SourceConfig
from ashare.source.config import PORT
from ashare.source.transport import Limits
from ashare.steps import Run, newest_published
from ashare.steps.history import History
from ashare.store import Store

if TYPE_CHECKING:
    import psycopg
    from airflow.sdk import Connection, Context

    from ashare.store.store import Merged

log = logging.getLogger(__name__)

SOURCE_CONNECTION = "baostock"
STORE_CONNECTION = "ashare_postgres"
ALERTS_CONNECTION = "ashare_alerts"


@contextmanager
def run_of(context: Context) -> Iterator[Run]:
    """The run of a task's trade date, its database brought up to date, and closed at the end.

    :raises InvalidInput: the trade date, a param or a connection is wrong.
    """
    dag_run, params = context["dag_run"], _params(context)
    day = trade_date_of(dag_run.partition_key, params.get("trade_date"), dag_run.logical_date, dag_run.run_after)
    task = context["task_instance"].task_id
    who = f"{_named(context)} {day} in {dag_run.run_id}"
    with store() as opened:
        run = Run(
            day,
            opened,
            source_config(),
            kinds=tuple(params["kinds"]),
            fetch=params["fetch"],
            batch_size=params["batch_size"],
            run_id=dag_run.run_id,
            who=who,
        )
        with run.end_recorded():
            opened.migrate()
        with _measured(opened, task, who), _surprises_recorded(run):
            yield run


@contextmanager
def _surprises_recorded(run: Run) -> Iterator[None]:
    """Leave in ``sync_status`` also what no step expects; what they do expect they record themselves."""
    from airflow.sdk.exceptions import AirflowException

    try:
        yield
    except (AshareError, AirflowException):
        raise
    except Exception:
        with run.end_recorded():
            raise


@contextmanager
def history_of(context: Context) -> Iterator[History]:
    """The run of a task's range, its database brought up to date, and closed at the end.

    :raises InvalidInput: a date, a param or a connection is wrong.
    """
    dag_run, params = context["dag_run"], _params(context)
    start, end = range_of(params["start_date"], params["end_date"], params["years"], dag_run.run_after)
    task = context["task_instance"].task_id
    who = f"{_named(context)} {start} to {end} in {dag_run.run_id}"
    with store() as opened:
        run = History(
            start,
            end,
            opened,
            source_config(),
            kinds=tuple(params["kinds"]),
            codes=params["codes"] or None,
            batch_size=params["batch_size"],
            run_id=dag_run.run_id,
            who=who,
        )
        opened.migrate()
        with _measured(opened, task, who):
            yield run


def _params(context: Context) -> Mapping[str, Any]:
    """The params of a task's run.

    :raises InvalidInput: the run was given one that its DAG does not have.
    """
    dag = context["dag"]
    check_names(context["dag_run"].conf or (), dag.params, dag.dag_id)
    return context["params"]


@contextmanager
def told(run: Run | History) -> Iterator[None]:
    """While a run's dates are recorded: tell the outside, in metrics, and people what is well again.

    How the run itself ends is what counts: trouble with either is logged.
    """
    from ashare import metrics

    is_complete = False
    try:
        yield
        is_complete = True
    finally:
        try:
            if found := _stats():
                metrics.recorded(found, run.store, run.day if isinstance(run, Run) else None)
            if is_complete:
                _tell_recovered(run)
        except AshareError as error:
            log.error("Nobody was told: %s", error)


def _tell_recovered(run: Run | History) -> None:
    from ashare.alerts import Alerts, Delivery

    alerts = Alerts(run.store, lambda: Delivery(alert_addresses()))
    alerts.recovered(run.run_id, run.end if isinstance(run, History) else None)


def tell_over() -> None:
    """Tell people what is over though no run has ended: an accepted date's trouble. Trouble with it is logged."""
    import psycopg

    from ashare.alerts import Alerts, Delivery

    try:
        with store() as opened:
            Alerts(opened, lambda: Delivery(alert_addresses())).recovered("")
    except (AshareError, psycopg.Error) as error:
        log.error("Nobody was told: %s", error)


def counted(merged: Merged) -> dict[str, int]:
    """The rows of a batch, as its task returns them."""
    from ashare import metrics

    if found := _stats():
        metrics.loaded(found, merged)
    return {"new": merged.inserted, "changed": merged.revised, "unchanged": merged.unchanged}


def _named(context: Context) -> str:
    """A task as the ledger, and those who wait for it, see it; of mapped ones, which."""
    instance = context["task_instance"]
    number = instance.map_index
    return instance.task_id if number is None or number < 0 else f"{instance.task_id}[{number}]"


@contextmanager
def _measured(opened: Store, name: str, who: str) -> Iterator[None]:
    from ashare import metrics

    with metrics.phase(found, opened, name, who) if (found := _stats()) else nullcontext():
        yield


def _stats() -> Any:
    """Airflow's metrics, where some are wanted."""
    from airflow.sdk.configuration import conf
    from airflow.sdk.observability import stats

    wanted = ("statsd_on", "statsd_datadog_enabled", "otel_on")
    return stats if any(conf.getboolean("metrics", name, fallback=False) for name in wanted) else None


def range_of(start: str | None, end: str | None, years: int, run_after: datetime) -> tuple[date, date]:
    """The range of a run: by default it ends on the day before the run's, and begins ``years`` earlier.

    Every task of a run gets the same answer: nothing here asks the clock.
    """
    last = parse_date(end) if end else run_after.astimezone(SHANGHAI).date() - timedelta(days=1)
    if start:
        return parse_date(start), last
    day = min(last.day, 28) if last.month == 2 else last.day
    first = last.replace(year=last.year - years, day=day) + timedelta(days=1)
    return max(first, FIRST_TRADE_DATE), last


def trade_date_of(
    partition_key: str | None, param: str | None, logical_date: datetime | None, run_after: datetime
) -> date:
    """The trade date of a run: its partition key, else its param, else its own date, else the newest one out.

    Every task of a run gets the same answer: nothing here asks the clock.
    """
    if partition_key or param:
        return parse_trade_date(partition_key or param or "")
    if logical_date:
        return logical_date.astimezone(SHANGHAI).date()
    return newest_published(run_after)


def source_config(settings: Settings | None = None) -> SourceConfig:
    """The connection ``baostock``: host, port, login, password, and ``api_key`` in its extra."""
    settings = settings or Settings()
    connection = _connection(SOURCE_CONNECTION, "baostock://anonymous:123456@public-api.baostock.com:10030")
    limits = Limits(settings.connect_timeout, settings.idle_timeout, settings.reply_timeout)
    given = {"user": connection.login, "password": connection.password}
    return SourceConfig(
        connection.host or "",
        connection.port or PORT,
        api_key=connection.extra_dejson.get("api_key"),
        limits=limits,
        session_requests=settings.session_requests,
        **{name: value for name, value in given.items() if value},
    )


def store(connection: Connection | None = None) -> Store:
    """The database of the connection ``ashare_postgres``."""
    return Store(
        _connector(connection or _connection(STORE_CONNECTION, "postgresql://user:password@host:5432/ashare"))
    )


def alert_addresses() -> list[str]:
    """Apprise's addresses, the password of the connection ``ashare_alerts``; none without it: alerts are off.

    :raises InvalidInput: there is such a connection, and it holds none.
    """
    from airflow.sdk import Connection
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        return _addresses(Connection.get(ALERTS_CONNECTION))
    except AirflowNotFoundException:
        return _addresses(None)


def _addresses(connection: Connection | None) -> list[str]:
    found = ((connection and connection.password) or "").split()
    if not found and (connection or os.environ.get(f"AIRFLOW_CONN_{ALERTS_CONNECTION.upper()}")):
        raise InvalidInput(
            "The connection ashare_alerts holds no address: its password has to be Apprise's addresses, with blanks "
            'between, for example {"conn_type": "generic", "password": "dingtalk://TOKEN feishu://TOKEN"}.'
        )
    return found


async def tell_late(day: date, run_id: str, link: str) -> None:
    """Tell people that a trade date is not complete at its deadline; for the triggerer, whose loop must go on."""
    import asyncio

    from airflow.sdk import Connection
    from airflow.sdk.exceptions import AirflowNotFoundException

    from ashare.alerts import Alerts, Delivery

    try:
        addresses = _addresses(await Connection.async_get(ALERTS_CONNECTION))
    except AirflowNotFoundException:
        return
    with store(await Connection.async_get(STORE_CONNECTION)) as opened:
        alerts = Alerts(opened, lambda: Delivery(addresses))
        await asyncio.to_thread(alerts.late, day, Settings().deadline, run_id, link)


def read_connections_outside_of_a_task() -> None:
    """Make the connections of Airflow's database known to this process: without a task there is only the environment.

    :raises StoreUnavailable: Airflow's database cannot be read.
    """
    from airflow.models.connection import Connection
    from airflow.sdk.exceptions import AirflowNotFoundException
    from airflow.utils.session import create_session
    from sqlalchemy import text

    with _airflows_database(), create_session() as session:
        session.execute(text("SELECT 1"))  # or a database that is away would look like a connection that is not set
    for name in (SOURCE_CONNECTION, STORE_CONNECTION, ALERTS_CONNECTION):
        # One that is not set is missed, with a sentence, by whoever needs it.
        with suppress(AirflowNotFoundException), _airflows_database():
            os.environ[f"AIRFLOW_CONN_{name.upper()}"] = Connection.get_connection_from_secrets(name).as_json()


def pool_slots(name: str) -> tuple[int, int] | None:
    """A pool's slots, and how many are taken; ``None`` when there is no such pool.

    :raises StoreUnavailable: Airflow's database cannot be read.
    """
    from airflow.models.pool import Pool
    from airflow.utils.session import create_session

    with _airflows_database(), create_session() as session:
        pool = Pool.get_pool(name, session=session)
        return (pool.slots, pool.occupied_slots(session=session)) if pool else None


def make_pool() -> bool:
    """Make the pool in front of Baostock, unless it is there; whether it was made.

    :raises StoreUnavailable: Airflow's database cannot be reached.
    """
    from airflow.models.pool import Pool

    with _airflows_database():
        if Pool.get_pool(POOL) is not None:
            return False
        Pool.create_or_update_pool(POOL, POOL_SLOTS, "Tasks that wait for the one connection to Baostock.", False)
    return True


@contextmanager
def _airflows_database() -> Iterator[None]:
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except SQLAlchemyError as error:
        # The driver's text may hold parts of the connection.
        raise StoreUnavailable(
            f"Airflow's own database cannot be read ({type(error).__name__}): check that it runs, and "
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN."
        ) from None


def _connector(connection: Connection) -> Callable[[], psycopg.Connection[Any]]:
    from airflow.providers.postgres.hooks.postgres import PostgresHook
    from psycopg.rows import tuple_row

    os.environ.setdefault("PGCONNECT_TIMEOUT", CONNECT_SECONDS)

    def connect() -> psycopg.Connection[Any]:
        opened: Any = PostgresHook(connection=connection).get_conn()
        opened.row_factory = tuple_row
        return opened  # type: ignore[no-any-return]

    return connect


def _connection(name: str, example: str) -> Connection:
    from airflow.sdk import Connection
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        found: Connection = Connection.get(name)
    except AirflowNotFoundException:
        raise InvalidInput(
            f"The Airflow connection {name!r} is not set, or not readable: set AIRFLOW_CONN_{name.upper()}, "
            f"for example to {example}, or add it under Admin > Connections."
        ) from None
    return found
