"""What is tried again, and what is not: by the kind of error."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from airflow.sdk import RetryAction
from airflow.sdk.exceptions import AirflowRescheduleException

from ashare import errors
from ashare_airflow.defaults import DEFAULT_ARGS, rescheduled

HOPELESS = ("InvalidInput", "TerminalError", "SourceRefused", "StoreRefused", "NotVerified", "IncompleteDate")
PASSING = (
    *("SourceDropped", "SourceStalled"),
    "SourceUnreachable",
    "BadReply",
    "NotLoggedIn",
    "SourceBusy",
    "StoreUnavailable",
    "StoreBusy",
)


def decision(name: str) -> RetryAction:
    kind = getattr(errors, name)
    error = kind("x", "10001006") if name == "SourceRefused" else kind("x")
    return DEFAULT_ARGS["retry_policy"].evaluate(error, 1, 3).action  # type: ignore[no-any-return]


@pytest.mark.parametrize("name", HOPELESS)
def test_what_a_person_has_to_mend_is_not_tried_again(name: str) -> None:
    assert decision(name) is RetryAction.FAIL


@pytest.mark.parametrize("name", PASSING)
def test_what_may_pass_is_tried_again_with_growing_delays(name: str) -> None:
    assert decision(name) is RetryAction.DEFAULT
    assert DEFAULT_ARGS["retries"] == 3
    assert DEFAULT_ARGS["retry_delay"] == timedelta(seconds=60)
    assert DEFAULT_ARGS["retry_exponential_backoff"] > 1
    assert DEFAULT_ARGS["max_retry_delay"] == timedelta(minutes=30)


def test_what_has_to_wait_is_no_failure_and_comes_back_at_its_time() -> None:
    until = datetime.now(timezone.utc) + timedelta(hours=3)
    for waiting in (errors.BudgetSpent("x", until), errors.SourceBanned("x", until)):
        with pytest.raises(AirflowRescheduleException) as later, rescheduled():
            raise waiting
        assert later.value.reschedule_date == until
    with pytest.raises(AirflowRescheduleException), rescheduled():
        raise errors.NotPublishedYet("x")
    with pytest.raises(AirflowRescheduleException) as soon, rescheduled():
        raise errors.SourceBanned("over by the database's clock", datetime(2026, 3, 3, tzinfo=timezone.utc))
    assert soon.value.reschedule_date > datetime.now(timezone.utc)
    with pytest.raises(errors.BadReply), rescheduled():
        raise errors.BadReply("x")


def test_every_error_is_sorted() -> None:
    kinds = {name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, Exception)}
    bases = {"AshareError", "TransientError"}
    waiting = {"Postponed", "NotPublishedYet", "BudgetSpent", "SourceBanned"}
    assert kinds == bases | waiting | set(PASSING) | set(HOPELESS)
