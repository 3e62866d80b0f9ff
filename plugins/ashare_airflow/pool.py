"""The Airflow pool of the tasks that wait for Baostock."""

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
        """The pool's slots, and how many of them are occupied; ``None``: the pool does not exist."""
        from airflow.models.pool import Pool
        from airflow.utils.session import create_session

        with _airflow_database(), create_session() as session:
            found = Pool.get_pool(POOL, session=session)
            return (found.slots, found.occupied_slots(session=session)) if found else None

    def make(self) -> bool:
        """Create the pool if it does not exist.

        :returns: whether the pool was created.
        """
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
        # The driver's text may hold parts of the connection URI.
        raise StoreUnavailable(
            f"Airflow's own database cannot be read ({type(error).__name__}): check that it runs, and "
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN."
        ) from None
