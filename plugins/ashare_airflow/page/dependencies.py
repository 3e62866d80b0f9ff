"""Dependencies of the routes: the schema ``ashare``, for reading and for writing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Annotated

from airflow.api_fastapi.common.db.common import SessionDep
from fastapi import Depends
from sqlalchemy.orm import Session

from ashare.errors import InvalidInput, StoreUnavailable
from ashare.settings import Settings, current_settings
from ashare.status import StatusReader, status_reader
from ashare.store import Store
from ashare_airflow.connections import AirflowConnections, lent_store
from ashare_airflow.page.runs import awaited_dates, runs_under_way


@contextmanager
def open_reader(session: Session) -> Iterator[StatusReader]:
    """A reader of the schema ``ashare``, which knows Airflow's runs under way.

    :raises StoreUnavailable: the schema cannot be read, or a connection or a setting is wrong.
    """
    under_way = runs_under_way(session)
    with ExitStack() as stack:
        try:
            awaited = awaited_dates(session, current_settings().kinds)
            # Give Airflow's connection back: it must not be held while the other database is slow.
            session.rollback()
            reader = stack.enter_context(status_reader(stack.enter_context(lent_store()), under_way, awaited=awaited))
        except InvalidInput as error:
            # Not an error of the caller, who can mend neither a connection nor a setting.
            raise StoreUnavailable(str(error)) from None
        yield reader


@contextmanager
def open_store(session: Session) -> Iterator[Store]:
    """The schema ``ashare``, migrated, for writing.

    :raises StoreUnavailable: the schema cannot be reached, or a connection or a setting is wrong.
    """
    session.rollback()
    with ExitStack() as stack:
        try:
            Settings()  # refuse a wrong setting before anything is written
            store = stack.enter_context(AirflowConnections().store())
            store.migrate()
        except InvalidInput as error:
            raise StoreUnavailable(str(error)) from None
        yield store


def _reader(session: SessionDep) -> Iterator[StatusReader]:
    with open_reader(session) as reader:
        yield reader


# Scope "function" closes the reader before the response is sent, so that its errors still become replies.
Reader = Annotated[StatusReader, Depends(_reader, scope="function")]
