"""The pool in front of Baostock, in Airflow's database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ashare.errors import StoreUnavailable
from ashare.settings import POOL, POOL_SLOTS


class AirflowPool:
    """The pool ``baostock``.

    Each method raises ``StoreUnavailable`` when Airflow's database cannot be read.
    """

    def slots(self) -> tuple[int, int] | None:
        """Its slots, and how many are taken; ``None``: there is no such pool."""
        from airflow.models.pool import Pool
        from airflow.utils.session import create_session

        with _airflow_database(), create_session() as session:
            found = Pool.get_pool(POOL, session=session)
            return (found.slots, found.occupied_slots(session=session)) if found else None

    def make(self) -> bool:
        """Make it, unless it is there; whether it was made."""
        from airflow.models.pool import Pool

        with _airflow_database():
            if Pool.get_pool(POOL) is not None:
                return False
            Pool.create_or_update_pool(POOL, POOL_SLOTS, "Tasks that wait for the one connection to Baostock.", False)
        return True


@contextmanager
def _airflow_database() -> Iterator[None]:
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except SQLAlchemyError as error:
        # The driver's text may hold parts of the connection.
        raise StoreUnavailable(
            f"Airflow's own database cannot be read ({type(error).__name__}): check that it runs, and "
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN."
        ) from None
