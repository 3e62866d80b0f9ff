"""Errors that say why a backfill is refused."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from airflow.models.backfill import AlreadyRunningBackfill, InvalidBackfillConf
from airflow.sdk.exceptions import AirflowException


class Refused(Exception):
    """Nothing was started. The text is a sentence that says why, and what to do.

    :cvar exit_code: the command line's exit code.
    """

    exit_code = 1


class WrongUsage(Refused):
    """The request is wrong: it can never be started."""

    exit_code = 2


class NoScheduler(Refused):
    """No scheduler is alive."""


@contextmanager
def airflow_refusals() -> Iterator[None]:
    """Convert Airflow's exceptions into ``Refused``.

    :raises WrongUsage: the params do not fit the DAG.
    :raises Refused: another backfill is active, or Airflow refuses for another reason.
    """
    try:
        yield
    except InvalidBackfillConf as error:
        problem = str(error).split("\n", 1)[0]
        raise WrongUsage(f"The params do not fit the DAG's: {problem}") from None
    except AlreadyRunningBackfill:
        raise Refused("Another backfill of this DAG was started just now: try again when it has ended.") from None
    except AirflowException as error:
        raise Refused(str(error)) from None
