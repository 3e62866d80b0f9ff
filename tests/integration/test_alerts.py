"""What people are told, on a real PostgreSQL and through the real Apprise to a real web server."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, time
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ashare.alerts import Alerts, Delivery, Failure
from ashare.alerts.delivery import MOST_BYTES, _room, _short
from ashare.store import Store
from ashare.store.coverage import DateState
from ashare_local import PROJECT
from ashare_local.postgres import EmbeddedPostgres
from tests import records
from tests.airflow_script import run_forked, run_script
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
    records.record(database, day, status, kinds=("stock",), reason=reason, started_at="2026-03-02 18:05+08")


def calendar(database: Database, first: date, last: date, *, is_open: bool = True) -> None:
    database.do(
        "INSERT INTO ashare.trade_calendar (calendar_date, is_trading_day) "
        "SELECT day, %s FROM generate_series(%s::date, %s::date, '1 day') day",
        is_open,
        first,
        last,
    )


def a_history(run_id: str) -> Failure:
    return Failure(run_id, LINK, dag_id="ashare_history", note="The log of plan_batches says why.")


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
    alerts.recovered("another")
    assert len(listener.messages) == 1

    record(database, DAY, "success")
    alerts.recovered("another")
    alerts.recovered("another")
    assert listener.titles[1:] == ["2026-03-02 is complete"]
    assert listener.messages[1]["message"].startswith('"2026-03-02 is not complete" was reported on ')
    assert listener.messages[1]["type"] == "success"

    record(database, DAY, "failed", "Its rows are gone.")  # what was over can be broken anew
    assert alerts.failed(a_run())
    assert listener.titles[2:] == ["2026-03-02 is not complete"]
    record(database, DAY, "skipped")  # by the calendar as it is known by now
    alerts.recovered("another")
    assert listener.titles[3:] == ["2026-03-02 is complete"]


@pytest.mark.parametrize(
    ("language", "title", "text"),
    [
        ("en", "A-share sync: 2026-03-02 is not complete", "Baostock sent nothing for 90 s."),
        ("zh", "A-share sync：2026-03-02 不完整", "Baostock 在 90 秒内没有发来任何数据。"),
    ],
)
def test_a_message_is_in_the_language_of_the_setting_and_the_outbox_in_english(
    alerts: Alerts,
    database: Database,
    listener: Listener,
    monkeypatch: pytest.MonkeyPatch,
    language: str,
    title: str,
    text: str,
) -> None:
    monkeypatch.setenv("ASHARE_LANGUAGE", language)
    record(database, DAY, "failed", "Baostock sent nothing for 90 s.")
    assert alerts.failed(a_run())
    (message,) = listener.messages
    assert (message["title"], message["message"]) == (title, f"{text}\n\n{LINK}")
    record(database, DAY, "success")
    alerts.recovered("another")
    at = database.rows(
        "SELECT to_char(raised_at AT TIME ZONE 'Asia/Shanghai', 'YYYY-MM-DD HH24:MI') FROM ashare.alert"
    )[0][0]
    (_, over) = listener.messages
    if language == "zh":
        assert over["title"] == "A-share sync：2026-03-02 已完整"
        assert over["message"] == f"北京时间 {at} 曾告警：“2026-03-02 不完整”。"
    else:
        assert over["message"] == f'"2026-03-02 is not complete" was reported on {at}, Beijing time.'
    assert database.rows("SELECT title, text, end_title FROM ashare.alert") == [
        (
            "A-share sync: 2026-03-02 is not complete",
            f"Baostock sent nothing for 90 s.\n\n{LINK}",
            "A-share sync: 2026-03-02 is complete",
        )
    ]


def test_a_wrong_setting_does_not_keep_an_alert_from_its_readers(
    alerts: Alerts, listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASHARE_LANGUAGE", "none")
    assert alerts.failed(a_run())
    assert listener.titles == ["2026-03-02 is not complete"]


def test_a_run_that_recorded_nothing_says_where_to_look(alerts: Alerts, listener: Listener) -> None:
    assert alerts.failed(a_run())
    assert listener.messages[0]["message"] == f"The log of plan_batches says why.\n\n{LINK}"


def test_a_run_that_fails_of_a_complete_date_does_not_call_the_date_in_question(
    alerts: Alerts, database: Database, listener: Listener
) -> None:
    record(database, NEXT, "success", "2 absent at the source")
    assert alerts.failed(a_run(NEXT))
    assert listener.titles == ["a run of 2026-03-03 failed"]
    assert "plan_batches" in listener.messages[0]["message"]
    alerts.recovered("another")
    assert len(listener.messages) == 1
    alerts.recovered("scheduled__1")
    assert listener.titles[1:] == ["a run of 2026-03-03 has ended well"]


def test_a_complete_date_that_could_not_be_read_again_is_no_trouble_and_an_incomplete_one_is(
    alerts: Alerts, database: Database, listener: Listener
) -> None:
    record(database, NEXT, "success")
    assert not alerts.failed(a_run(NEXT, verifies=True))
    assert listener.titles == []
    record(database, DAY, "failed", "2 of 5203 securities have no bar.")
    assert alerts.failed(a_run(verifies=True))
    assert listener.titles == ["2026-03-02 is not complete"]


def test_a_broken_backfill_is_one_message_and_over_when_all_of_it_is_complete(
    alerts: Alerts, database: Database, listener: Listener
) -> None:
    calendar(database, DAY, LAST)
    for day in (DAY, NEXT):
        record(database, day, "failed", "Baostock cannot be reached.")
    assert alerts.failed(a_run(backfill=BACKFILL))
    assert not alerts.failed(a_run(NEXT, backfill=BACKFILL))
    (message,) = listener.messages
    assert listener.titles == ["the backfill 2026-03-02 to 2026-03-06 has dates that are not complete"]
    assert message["message"].startswith("2026-03-02: Baostock cannot be reached.\nOther dates of this backfill are")

    def is_over() -> bool:
        alerts.recovered("another")
        return len(listener.messages) > 1

    record(database, DAY, "success")
    assert not is_over()
    record(database, NEXT, "syncing")
    assert not is_over()
    record(database, NEXT, "success")
    assert not is_over()  # of the others, as after a cancelled backfill, nothing is known
    for number in (4, 5, 6):
        record(database, date(2026, 3, number), "success")
    assert is_over()
    assert listener.titles[1:] == ["the backfill 2026-03-02 to 2026-03-06 is complete"]
    # Another backfill is another matter.
    record(database, NEXT, "failed", "Again.")
    assert alerts.failed(a_run(NEXT, backfill=(13, DAY, LAST)))


def test_a_date_is_late_when_it_is_not_complete_at_the_deadline(
    alerts: Alerts, database: Database, listener: Listener
) -> None:
    record(database, DAY, "syncing", "Baostock has not published 2026-03-02.")
    assert alerts.late(DAY, DEADLINE, "r", LINK)
    assert listener.titles == ["2026-03-02 is still not complete"]
    assert listener.messages[0]["message"] == (
        f"At 21:00, Beijing time: it is being worked on since 18:05: Baostock has not published 2026-03-02.\n\n{LINK}"
    )
    # That it is given up later is news; one end of both is enough.
    record(database, DAY, "failed", "Baostock has not published 2026-03-02 by 23:00.")
    assert alerts.failed(a_run())
    record(database, DAY, "success")
    alerts.recovered("another")
    assert listener.titles[1:] == ["2026-03-02 is not complete", "2026-03-02 is complete"]


@pytest.mark.parametrize("status", ["success", "skipped"])
def test_a_date_that_is_complete_is_not_late(
    alerts: Alerts, database: Database, listener: Listener, status: str
) -> None:
    record(database, DAY, status)
    assert not alerts.late(DAY, DEADLINE, "r", LINK)
    assert not listener.messages


def test_a_closed_day_whose_run_has_not_come_to_it_is_not_late(
    alerts: Alerts, database: Database, listener: Listener
) -> None:
    calendar(database, DAY, DAY, is_open=False)
    assert not alerts.late(DAY, DEADLINE, "r", LINK)
    assert not listener.messages


def test_a_date_that_was_spoken_of_is_not_late_as_well(
    alerts: Alerts, database: Database, listener: Listener
) -> None:
    record(database, DAY, "failed", "No.")
    alerts.failed(a_run(backfill=BACKFILL))
    assert not alerts.late(DAY, DEADLINE, "r", LINK)
    assert alerts.late(NEXT, DEADLINE, "r", LINK)  # of this one nothing was said, though it is in the backfill
    assert "nothing is recorded of it" in listener.messages[1]["message"]


def test_a_hole_is_said_once_and_once_that_it_is_closed(
    alerts: Alerts, database: Database, listener: Listener
) -> None:
    calendar(database, DAY, LAST)
    holes = [DAY, NEXT]
    for day in holes:
        record(database, day, "failed", f"{day} refused.")
    store = Store(database.connect)

    def states() -> list[DateState]:
        return [state for day in holes if (state := store.coverage.state(day)) is not None]

    assert alerts.holes(states(), "r1", LINK)
    assert listener.titles == ["2 trade dates from 2026-03-02 to 2026-03-03 are still not complete"]
    assert "2026-03-02: 2026-03-02 refused." in listener.messages[0]["message"]
    assert not alerts.holes(states(), "r2", LINK)
    # Another one is another message.
    holes.append(LAST)
    record(database, LAST, "failed", "Again.")
    assert alerts.holes(states(), "r3", LINK)
    assert listener.titles[1:] == [f"{LAST} is still not complete"]
    record(database, DAY, "success")
    alerts.recovered("r4")
    assert len(listener.titles) == 2
    record(database, NEXT, "success")
    alerts.recovered("r5")
    assert listener.titles[2:] == ["2 trade dates from 2026-03-02 to 2026-03-03 are complete"]


def test_a_history_says_what_is_lacking_and_is_over_when_one_ended_well(
    alerts: Alerts, database: Database, listener: Listener
) -> None:
    database.do(
        "INSERT INTO ashare.history_run (run_id, first_date, last_date, plan) VALUES ('h', %s, %s, '')", DAY, LAST
    )
    database.do(
        "INSERT INTO ashare.batch (plan, batch_no, kind, by, codes, label, status, error) VALUES "
        "('history h', 1, 'stock', 'code', '{sh.600000}', 'x', 'failed', 'Baostock sent nothing for 90 s.'),"
        "('history h', 2, 'stock', 'code', '{sh.600004}', 'x', 'success', NULL)"
    )
    record(database, NEXT, "failed", "1 of 1 securities have no bar.")
    assert alerts.failed(a_history("h"))
    assert listener.titles == ["the history 2026-03-02 to 2026-03-06 failed"]
    assert listener.messages[0]["message"].startswith(
        "Baostock sent nothing for 90 s; 1 trade dates are not complete.\n\n"
    )
    assert alerts.failed(a_history("h2"))  # has no plan
    assert listener.titles[1:] == ["a run of ashare_history failed"]
    assert "plan_batches" in listener.messages[1]["message"]

    alerts.recovered("a daily run")
    alerts.recovered("h3", history_until=date(2020, 12, 31))
    assert listener.titles[2:] == ["a run of ashare_history has ended well"]
    # The next day's, with the same params, begins and ends a day later.
    alerts.recovered("h4", history_until=date(2026, 3, 7))
    assert listener.titles[3:] == ["the history 2026-03-02 to 2026-03-06 has ended well"]


def test_a_daily_run_whose_date_is_none_is_told_as_one(alerts: Alerts, listener: Listener) -> None:
    assert alerts.failed(Failure("manual__1", LINK, note="The log of plan_batches says why."))
    assert listener.titles == ["a run of ashare_daily failed"]


def test_a_message_that_nobody_took_is_sent_at_the_next_occasion_whatever_that_is(
    alerts: Alerts, database: Database, listener: Listener, caplog: pytest.LogCaptureFixture
) -> None:
    record(database, DAY, "failed", "No.")
    listener.refusing = True
    assert alerts.failed(a_run())
    assert database.rows("SELECT sent_at, error FROM ashare.alert") == [
        (None, "not delivered to JSON: A-share sync: 2026-03-02 is not complete")
    ]
    listener.refusing = False
    record(database, NEXT, "failed", "No.")
    assert alerts.failed(a_run(NEXT))
    assert listener.titles == ["2026-03-02 is not complete", "2026-03-03 is not complete"]
    assert database.rows("SELECT count(*), count(sent_at), count(error) FROM ashare.alert") == [(2, 2, 0)]

    listener.refusing = True
    record(database, DAY, "success")
    alerts.recovered("another")
    listener.refusing = False
    assert len(listener.messages) == 2
    alerts.recovered("another")
    alerts.recovered("another")
    assert listener.titles[2:] == ["2026-03-02 is complete"]
    assert "s3cret" not in caplog.text


def test_the_end_of_what_nobody_heard_of_is_not_said(alerts: Alerts, database: Database, listener: Listener) -> None:
    record(database, DAY, "failed", "No.")
    listener.refusing = True
    alerts.failed(a_run())
    listener.refusing = False
    record(database, DAY, "success")
    alerts.recovered("another")
    assert not listener.messages


def test_many_ends_at_once_are_one_message(alerts: Alerts, database: Database, listener: Listener) -> None:
    days = [date(2026, 3, day) for day in (2, 3, 4, 5)]
    for day in days:
        record(database, day, "failed", "No.")
        alerts.failed(a_run(day))
    for day in days:
        record(database, day, "success")
    alerts.recovered("h", history_until=LAST)
    assert listener.titles[4:] == ["4 troubles are over"]
    assert listener.messages[4]["message"] == "\n".join(f"{day} is complete" for day in days)
    alerts.recovered("another")
    assert len(listener.messages) == 5


def test_addresses_that_do_not_answer_or_are_none_do_not_keep_it_from_the_others(
    database: Database, listener: Listener
) -> None:
    addresses = ["json://127.0.0.1:1/", "nonsense://x", listener.address]
    Alerts(Store(database.connect), lambda: Delivery(addresses, pauses=(0.01,))).failed(a_run())
    assert len(listener.messages) == 1
    ((sent, error),) = database.rows("SELECT sent_at IS NOT NULL, error FROM ashare.alert")
    assert sent
    assert error.startswith("not delivered to address 2 (nonsense://... is not understood), JSON: ")


def test_two_who_send_at_once_send_it_once(alerts: Alerts, database: Database, listener: Listener) -> None:
    record(database, DAY, "failed", "No.")
    listener.refusing = True
    alerts.failed(a_run())
    listener.refusing = False
    others = [Alerts(Store(database.connect), lambda: Delivery([listener.address], pauses=())) for _ in range(4)]
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda other: other.failed(a_run()), others))
    assert listener.titles == ["2026-03-02 is not complete"]


def refusing_database() -> psycopg.Connection[Any]:
    return psycopg.connect(host="127.0.0.1", port=1, user="u", password="s3cret", dbname="d")


@pytest.mark.parametrize("what", ["date", "backfill", "history", "late"])
def test_that_the_database_is_away_is_said(listener: Listener, what: str) -> None:
    alerts = Alerts(Store(refusing_database), lambda: Delivery([listener.address], pauses=()))
    failures = {"date": a_run(), "backfill": a_run(backfill=BACKFILL), "history": a_history("h")}
    assert alerts.late(DAY, DEADLINE, "r", LINK) if what == "late" else alerts.failed(failures[what])
    assert "The database of the connection ashare_postgres cannot be reached" in listener.messages[0]["message"]
    assert listener.messages[0]["message"].endswith(LINK)
    assert "s3cret" not in listener.messages[0]["message"]


def test_that_the_database_refuses_is_said(database: Database, listener: Listener) -> None:
    """The schema is an older one, and the user has no right to bring it up to date."""
    role = f"reader_of_{database.name}"
    Store(database.connect).migrate()
    database.do("DROP TABLE ashare.alert")
    newest = "(SELECT max(version) FROM ashare.schema_migration)"
    database.do(f"DELETE FROM ashare.schema_migration WHERE version = {newest}")
    database.do(f"CREATE ROLE {role}")
    database.do(f"GRANT USAGE ON SCHEMA ashare TO {role}")
    database.do(f"GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA ashare TO {role}")

    def connect() -> psycopg.Connection[Any]:
        opened = database.connect()
        opened.execute(f"SET ROLE {role}")
        opened.commit()
        return opened

    with Store(connect) as store:
        assert Alerts(store, lambda: Delivery([listener.address], pauses=())).failed(a_run())
    assert "may not create or change the schema ashare" in listener.messages[0]["message"]
    database.do(f"DROP OWNED BY {role}")
    database.do(f"DROP ROLE {role}")


def test_a_long_reason_is_cut_and_keeps_its_link(alerts: Alerts, database: Database, listener: Listener) -> None:
    record(database, DAY, "failed", "x" * 5000)
    alerts.failed(a_run())
    text = listener.messages[0]["message"]
    assert len(text.encode()) <= MOST_BYTES
    assert text.endswith(f"x ...\n\n{LINK}")


@pytest.mark.parametrize("reason", ["x" * 44_000, "科创板" * 10_000])
@pytest.mark.parametrize(
    "address",
    [
        "wecombot://botkey",  # 2,048, and no title of its own
        "discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js",  # 2,000
        "tgram://123456789:abcdefg_hijklmnop/12315544/",
        "feishu://token",
        "nexmo://AC1234567:secret@15551234567/15551234568",  # a text message of 160
    ],
)
def test_a_message_is_no_longer_than_its_service_takes(address: str, reason: str) -> None:
    (service,) = Delivery([address])._services
    title = "A-share sync: the backfill 2025-10-01 to 2025-10-31 has dates that are not complete"
    text = _short(f"{reason}\n\n{LINK}", _room(service, title))
    sent = len(text.encode()) + (0 if service.title_maxlen else len(title))
    most = min(service.body_maxlen, MOST_BYTES)
    assert 0.7 * most < sent <= most
    assert "..." in text
    if most > 200:
        assert text.startswith(reason[:3])
        assert text.endswith(f" ...\n\n{LINK}")


def test_a_text_arrives_as_it_is_where_the_service_speaks_html(listener: Listener) -> None:
    """As Telegram's and a mail's do: what looks like a tag would be lost, or refused."""
    delivery = Delivery([f"{listener.address}?format=html"], pauses=())
    assert delivery.send("t", "a <Response 500> & b\nc", "failure") == (["JSON"], [])
    assert "&lt;Response&nbsp;500&gt;" in listener.messages[0]["message"].replace(" ", "&nbsp;")


def test_services_that_people_use_are_understood() -> None:
    addresses = [
        "mailtos://user:password@smtp.example.com?to=me@example.com",
        "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#general",
        "tgram://123456789:abcdefg_hijklmnop/12315544/",
        "dingtalk://0123456789abcdef/13800000000",
        "wecombot://botkey",
        "feishu://token",
    ]
    assert Delivery(addresses).problems == []


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("nonsense://s3cret", "address 2 (nonsense://... is not understood)"),
        ("s3cret", "address 2 (does not begin with a service's name and ://)"),
        ("s3cret-Word!x://y", "address 2 (does not begin with a service's name and ://)"),
    ],
)
def test_an_address_that_is_none_is_named_by_its_place_and_not_shown(address: str, said: str) -> None:
    assert Delivery(["json://localhost", address]).problems == [said]


COMMAND = "import runpy, sys; sys.argv[0] = 'ashare'; runpy.run_module('ashare_airflow', run_name='__main__')"


def command(connection: str | None) -> subprocess.CompletedProcess[str]:
    """As ``python -m ashare_airflow alerts``."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    if connection is not None:
        env["AIRFLOW_CONN_ASHARE_ALERTS"] = connection
    env["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] = "sqlite:////dev/null/x"
    return run_forked(COMMAND, "alerts", home=PROJECT, environment=env)


def test_a_test_message_can_be_sent(listener: Listener) -> None:
    done = command(f'{{"conn_type": "generic", "password": "{listener.address}\\n{listener.address}"}}')
    assert done.returncode == 0, done.stderr
    assert done.stdout == "ok   JSON\nok   JSON\n"
    assert listener.titles == ["a test"] * 2
    assert "s3cret" not in done.stderr


def test_a_test_message_that_does_not_get_through_says_where() -> None:
    done = command('{"conn_type": "generic", "password": "nonsense://s3cret"}')
    assert done.returncode == 1
    assert done.stdout == "BAD  address 1 (nonsense://... is not understood): not delivered\n"
    assert "s3cret" not in done.stderr


def test_without_a_connection_the_command_says_how_to_set_one() -> None:
    done = command(None)
    assert done.returncode == 1
    assert "Alerts are off: the connection ashare_alerts is not set." in done.stderr


@pytest.mark.parametrize("connection", ["dingtalk://s3cret", '{"conn_type": "generic"}', "{s3cret"])
def test_a_connection_without_an_address_is_not_taken_for_none(connection: str) -> None:
    done = command(connection)
    assert done.returncode == 2
    assert "The connection ashare_alerts holds no address" in done.stderr
    assert "s3cret" not in done.stderr


def test_no_log_holds_an_address(listener: Listener, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        Delivery([f"{listener.address}/path-s3cret"], pauses=()).send("t", "x", "info")
    assert "s3cret" not in caplog.text
    assert logging.getLogger("urllib3").level == logging.NOTSET  # as it was


REPORTED = """
from datetime import date
from ashare_airflow.connections import AirflowConnections
from ashare_airflow.report.run_report import end_reported
from ashare.sync import Run
with AirflowConnections().store() as opened:
    run = Run(date(2025, 10, 10), store=opened, source=AirflowConnections().source_config(), run_id="r")
    with end_reported(run):
        print("recorded")
print("ended well")
"""


@pytest.mark.parametrize("password", ["nonsense://s3cret", "", "json://127.0.0.1:1/s3cret"])
def test_an_alert_that_cannot_be_sent_does_not_fail_the_run_that_would_send_it(
    database: Database, postgres: EmbeddedPostgres, tmp_path: Path, password: str
) -> None:
    Store(database.connect).migrate()
    database.do(
        "INSERT INTO ashare.alert (subject, about, run_id, title, text, end_title, sent_at) "
        "VALUES ('x', 'run', 'r', 't', 'x', 'e', now())"
    )
    done = run_script(
        tmp_path,
        REPORTED,
        AIRFLOW_CONN_ASHARE_POSTGRES=postgres.connection_json(database.name),
        AIRFLOW_CONN_BAOSTOCK="baostock://127.0.0.1:1",
        AIRFLOW_CONN_ASHARE_ALERTS=json.dumps({"conn_type": "generic", "password": password}),
    )
    assert {"recorded", "ended well"} <= set(done.stdout.splitlines())
    assert re.search(
        "Not delivered to|could not be sent: The connection ashare_alerts holds no", done.stdout + done.stderr
    )
    assert "s3cret" not in done.stdout + done.stderr
    assert database.rows("SELECT resolved_at IS NOT NULL, end_sent_at FROM ashare.alert") == [(True, None)]
