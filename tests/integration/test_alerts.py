"""What people are told, on a real PostgreSQL and through the real Apprise to a real web server."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import date, time
from typing import Any

import psycopg
import pytest

from include.ashare.alerts import Alerts, Delivery, Failure
from include.ashare.alerts.delivery import MOST_CHARACTERS
from include.ashare.errors import InvalidInput
from include.ashare.store import Store
from include.local.stack import PROJECT
from tests.conftest import Database
from tests.listener import Listener

DAY, NEXT, LAST = date(2026, 3, 2), date(2026, 3, 3), date(2026, 3, 6)
LINK = "http://localhost:8080/dags/ashare_daily/runs/scheduled__1"
BACKFILL = (12, DAY, LAST)
DEADLINE = time(21, 0)


@pytest.fixture
def listener() -> Iterator[Listener]:
    with Listener() as opened:
        yield opened


@pytest.fixture
def alerts(database: Database, listener: Listener) -> Alerts:
    store = Store(database.connect)
    store.migrate()
    return Alerts(store, lambda: Delivery([listener.address], pauses=()))


def record(database: Database, day: date, status: str, reason: str | None = None) -> None:
    database.do("DELETE FROM ashare.sync_status WHERE trade_date = %s", day)
    database.do(
        "INSERT INTO ashare.sync_status (trade_date, status, kinds, reason, started_at) "
        "VALUES (%s, %s, '{stock}', %s, '2026-03-02 18:05+08')",
        day,
        status,
        reason,
    )


def a_run(day: date = DAY, **more: Any) -> Failure:
    return Failure("scheduled__1", LINK, trade_date=day, note="The log of plan_batches says why.", **more)


def test_a_failed_date_is_said_once_with_its_reason_and_once_that_it_is_over(
    alerts: Alerts, database: Database, listener: Listener
) -> None:
    record(database, DAY, "failed", "5 of 5205 securities have no bar: sh.600000.")
    assert alerts.failed(a_run())
    (message,) = listener.messages
    assert message["title"] == "A-share sync: 2026-03-02 is not complete"
    assert message["message"] == f"5 of 5205 securities have no bar: sh.600000.\n\n{LINK}"
    assert message["type"] == "failure"

    assert not alerts.failed(a_run())  # run again, failed again
    assert alerts.recovered() == 0
    assert len(listener.messages) == 1

    record(database, DAY, "success")
    assert alerts.recovered() == 1
    assert alerts.recovered() == 0
    assert listener.messages[1]["title"] == "A-share sync: 2026-03-02 is complete"
    assert "Reported as not complete on" in listener.messages[1]["message"]
    assert listener.messages[1]["type"] == "success"

    record(database, DAY, "failed", "Its rows are gone.")  # what was over can be broken anew
    assert alerts.failed(a_run())
    assert listener.titles[2:] == ["2026-03-02 is not complete"]


def test_a_run_that_recorded_nothing_says_where_to_look(
    alerts: Alerts, database: Database, listener: Listener
) -> None:
    assert alerts.failed(a_run())
    assert listener.messages[0]["message"] == f"The log of plan_batches says why.\n\n{LINK}"
    # The date was complete before, and is: that is not called in question.
    record(database, NEXT, "success", "2 absent at the source")
    assert alerts.failed(a_run(NEXT))
    assert listener.titles[1] == "a run of 2026-03-03 failed"
    assert "plan_batches" in listener.messages[1]["message"]


def test_a_broken_backfill_is_one_message_and_over_when_all_of_it_is_complete(
    alerts: Alerts, database: Database, listener: Listener
) -> None:
    for day in (DAY, NEXT):
        record(database, day, "failed", "Baostock cannot be reached.")
    assert alerts.failed(a_run(backfill=BACKFILL))
    assert not alerts.failed(a_run(NEXT, backfill=BACKFILL))
    (message,) = listener.messages
    assert listener.titles == ["the backfill 2026-03-02 to 2026-03-06 has dates that are not complete"]
    assert message["message"].startswith(
        "2026-03-02: Baostock cannot be reached.\nOther dates of this backfill are not"
    )

    record(database, DAY, "success")
    assert alerts.recovered() == 0
    record(database, NEXT, "syncing")
    assert alerts.recovered() == 0
    record(database, NEXT, "success")
    assert alerts.recovered() == 1
    assert listener.titles[1:] == ["2026-03-02 to 2026-03-06 is complete"]
    # Another backfill is another matter.
    record(database, NEXT, "failed", "Again.")
    assert alerts.failed(a_run(NEXT, backfill=(13, DAY, LAST)))


def test_a_date_is_late_when_it_is_not_complete_at_the_deadline(
    alerts: Alerts, database: Database, listener: Listener
) -> None:
    record(database, DAY, "syncing", "Baostock has not published 2026-03-02.")
    assert alerts.late(DAY, DEADLINE, LINK)
    assert listener.titles == ["2026-03-02 is still not complete"]
    assert listener.messages[0]["message"] == (
        f"At 21:00, Beijing time: it is being worked on since 18:05: Baostock has not published 2026-03-02.\n\n{LINK}"
    )
    # That it is given up later is news; one end of both is enough.
    record(database, DAY, "failed", "Baostock has not published 2026-03-02 by 23:00.")
    assert alerts.failed(a_run())
    record(database, DAY, "success")
    assert alerts.recovered() == 1
    assert listener.titles[1:] == ["2026-03-02 is not complete", "2026-03-02 is complete"]


@pytest.mark.parametrize("status", ["success", "skipped"])
def test_a_date_that_is_complete_is_not_late(
    alerts: Alerts, database: Database, listener: Listener, status: str
) -> None:
    record(database, DAY, status)
    assert not alerts.late(DAY, DEADLINE, LINK)
    assert not listener.messages


def test_a_date_that_was_spoken_of_is_not_late_as_well(
    alerts: Alerts, database: Database, listener: Listener
) -> None:
    record(database, DAY, "failed", "No.")
    alerts.failed(a_run())
    assert not alerts.late(DAY, DEADLINE, LINK)
    assert alerts.late(NEXT, DEADLINE, LINK)
    assert "nothing is recorded of it" in listener.messages[1]["message"]


def test_a_history_says_what_is_lacking_and_is_over_when_one_of_all_its_days_ended_well(
    alerts: Alerts, database: Database, listener: Listener
) -> None:
    database.do(
        "INSERT INTO ashare.history_run (run_id, first_date, last_date, plan) VALUES ('h', %s, %s, '')", DAY, LAST
    )
    database.do(
        "INSERT INTO ashare.history_batch (run_id, batch_no, kind, codes, label, status, error) VALUES "
        "('h', 1, 'stock', '{sh.600000}', 'x', 'failed', 'Baostock sent nothing for 90 s.'),"
        "('h', 2, 'stock', '{sh.600004}', 'x', 'success', NULL)"
    )
    record(database, NEXT, "failed", "1 of 1 securities have no bar.")
    assert alerts.failed(Failure("h", LINK))
    assert listener.titles == ["the history 2026-03-02 to 2026-03-06 is not complete"]
    assert listener.messages[0]["message"].startswith(
        "Baostock sent nothing for 90 s; 1 trade dates are not complete.\n\n"
    )
    record(database, NEXT, "success")
    assert alerts.recovered() == 0  # the others have no record yet
    assert alerts.recovered((NEXT, LAST)) == 0
    assert alerts.recovered((date(2020, 1, 1), LAST)) == 1


def test_a_history_without_a_plan_says_where_to_look(alerts: Alerts, listener: Listener) -> None:
    assert alerts.failed(Failure("h2", LINK, note="The log of plan_batches says why."))
    assert listener.titles == ["a history run failed"]


def test_a_message_that_nobody_took_is_sent_again(
    alerts: Alerts, database: Database, listener: Listener, caplog: pytest.LogCaptureFixture
) -> None:
    record(database, DAY, "failed", "No.")
    listener.refusing = True
    assert alerts.failed(a_run())
    assert database.rows("SELECT sent_at, error FROM ashare.alert") == [
        (None, "not delivered to JSON: A-share sync: 2026-03-02 is not complete")
    ]
    listener.refusing = False
    assert alerts.failed(a_run())
    assert not alerts.failed(a_run())
    assert listener.titles == ["2026-03-02 is not complete"]
    assert database.rows("SELECT count(*), count(sent_at), count(error) FROM ashare.alert") == [(1, 1, 0)]
    assert "s3cret" not in caplog.text


def test_the_end_of_what_nobody_heard_of_is_not_said(alerts: Alerts, database: Database, listener: Listener) -> None:
    record(database, DAY, "failed", "No.")
    listener.refusing = True
    alerts.failed(a_run())
    listener.refusing = False
    record(database, DAY, "success")
    assert alerts.recovered() == 0
    assert not listener.messages


def test_one_address_that_does_not_answer_does_not_keep_it_from_the_others(
    database: Database, listener: Listener
) -> None:
    store = Store(database.connect)
    store.migrate()
    nobody = "json://127.0.0.1:1/"
    Alerts(store, lambda: Delivery([nobody, listener.address], pauses=(0.01,))).failed(a_run())
    assert len(listener.messages) == 1
    ((sent, error),) = database.rows("SELECT sent_at IS NOT NULL, error FROM ashare.alert")
    assert sent and "not delivered to JSON" in error


def test_that_the_database_is_away_is_said(listener: Listener) -> None:
    def refuse() -> psycopg.Connection[Any]:
        return psycopg.connect(host="127.0.0.1", port=1, user="u", password="s3cret", dbname="d")

    alerts = Alerts(Store(refuse), lambda: Delivery([listener.address], pauses=()))
    assert alerts.failed(a_run())
    assert "The database of the connection ashare_postgres cannot be reached" in listener.messages[0]["message"]
    assert "s3cret" not in listener.messages[0]["message"]
    assert alerts.failed(Failure("h", LINK))


def test_a_long_reason_is_cut_and_keeps_its_link(alerts: Alerts, database: Database, listener: Listener) -> None:
    record(database, DAY, "failed", "x" * 5000)
    alerts.failed(a_run())
    text = listener.messages[0]["message"]
    assert len(text) <= MOST_CHARACTERS
    assert text.endswith(f"x ...\n\n{LINK}")


def test_services_that_people_use_are_understood() -> None:
    Delivery(
        [
            "mailtos://user:password@smtp.example.com?to=me@example.com",
            "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#general",
            "tgram://123456789:abcdefg_hijklmnop/12315544/",
            "dingtalk://0123456789abcdef/13800000000",
            "wecombot://botkey",
            "feishu://token",
        ]
    )


def test_an_address_that_is_none_is_named_by_its_place_and_not_shown() -> None:
    with pytest.raises(
        InvalidInput, match=r"address 2 of the connection ashare_alerts \(nonsense://\.\.\.\)"
    ) as error:
        Delivery(["json://localhost", "nonsense://s3cret"])
    assert "s3cret" not in str(error.value)


def command(connection: str | None) -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    if connection is not None:
        env["AIRFLOW_CONN_ASHARE_ALERTS"] = connection
    return subprocess.run(
        [sys.executable, "-m", "include.ashare.alerts"],
        env=env | {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "sqlite:////dev/null/x"},
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_test_message_can_be_sent(listener: Listener) -> None:
    done = command(f'{{"conn_type": "generic", "password": "{listener.address}\\n{listener.address}"}}')
    assert done.returncode == 0, done.stderr
    assert done.stdout == "ok   JSON\nok   JSON\n"
    assert listener.titles == ["a test"] * 2
    assert "s3cret" not in done.stderr


def test_without_a_connection_the_command_says_how_to_set_one() -> None:
    done = command(None)
    assert done.returncode == 1
    assert "Alerts are off: the connection ashare_alerts is not set." in done.stderr


def test_apprise_itself_says_nothing(listener: Listener, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        Delivery([listener.address]).send("t", "x", "info")
    assert [entry for entry in caplog.records if entry.name == "apprise"] == []
