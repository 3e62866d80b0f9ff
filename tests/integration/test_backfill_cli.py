"""`airflow dags backfill` against a real Airflow database: what it refuses at once, and how it waits."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ashare.store import Store
from ashare_local.postgres import EmbeddedPostgres
from tests.backfill_command import BackfillCommand, Said
from tests.conftest import Database
from tests.records import record
from tests.waiting import until

ROOT = Path(__file__).parents[2]
AIRFLOW = str(Path(sys.executable).with_name("airflow"))

DAG_FILE = """
from __future__ import annotations
from datetime import datetime
from airflow.sdk import DAG, task
from ashare_airflow.defaults import DAILY_PARAMS
from ashare_airflow.schedule.timetable import TradeDateTimetable

with DAG("ashare_daily", schedule=TradeDateTimetable(), start_date=datetime(2024, 1, 1), catchup=False,
         is_paused_upon_creation=False, params=DAILY_PARAMS):
    @task(pool="baostock")
    def fetch(): ...
    fetch()
"""


class Airflow:
    """An Airflow without a scheduler, and its database."""

    def __init__(self, home: Path, server: EmbeddedPostgres) -> None:
        self._postgres, self._socket_dir = server, str(server.socket_dir)
        for name in ("backfill_cli", "backfill_cli_bars"):
            with self.connect("postgres") as admin:
                admin.execute(f"CREATE DATABASE {name}")
        (home / "dags").mkdir()
        (home / "dags" / "toy.py").write_text(DAG_FILE)
        at = f"host={self._socket_dir}"
        clean = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
        self.environ = clean | {
            "AIRFLOW_HOME": str(home),
            "PYTHONPATH": os.environ["PYTHONPATH"],
            "AIRFLOW__CORE__PLUGINS_FOLDER": str(ROOT / "plugins"),
            "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"postgresql+psycopg2://postgres@/backfill_cli?{at}",
            "AIRFLOW_CONN_ASHARE_POSTGRES": f"postgresql://postgres:hunter2@/backfill_cli_bars?{at}",
        }
        for command in (["db", "migrate"], ["dags", "reserialize"]):
            subprocess.run([AIRFLOW, *command], env=self.environ, check=True, capture_output=True, timeout=240)
        Store(lambda: self.connect("backfill_cli_bars")).migrate()
        self._command = BackfillCommand(self.environ)

    def stop(self) -> None:
        self._command.stop()

    def backfill(self, *arguments: str, **variables: str) -> Said:
        return self._command.run(*arguments, **variables)

    def connect(self, database: str = "backfill_cli") -> psycopg.Connection[Any]:
        return psycopg.connect(host=self._socket_dir, user="postgres", dbname=database, autocommit=True)

    def do(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with self.connect() as connection:
            cursor = connection.execute(query, values)
            return cursor.fetchall() if cursor.description else []

    def scheduler_beats(self, seconds_ago: float = 0) -> None:
        self.do("DELETE FROM job")
        self.do(
            "INSERT INTO job (job_type, state, latest_heartbeat, start_date, hostname) VALUES "
            "('SchedulerJob', 'running', now() - make_interval(secs => %s), now(), 'here')",
            seconds_ago,
        )

    def ready(self) -> None:
        """As it is when nothing stands in the way of a backfill."""
        for table in ("backfill_dag_run", "dag_run", "backfill"):
            self.do(f"DELETE FROM {table}")
        self.do("UPDATE dag SET is_paused = false, is_stale = false")
        self.do("DELETE FROM slot_pool WHERE pool = 'baostock'")
        self.do("INSERT INTO slot_pool (pool, slots, include_deferred) VALUES ('baostock', 8, false)")
        self.scheduler_beats()
        with self.connect("backfill_cli_bars") as bars:
            bars.execute(
                "TRUNCATE ashare.counted_partition, ashare.work, ashare.daily_bar, ashare.batch, ashare.verification"
            )

    def add_backfill(self) -> int:
        ((number,),) = self.do(
            "INSERT INTO backfill (dag_id, from_date, to_date, dag_run_conf, is_paused, reprocess_behavior, "
            "max_active_runs, created_at, updated_at) VALUES ('ashare_daily', '2025-09-01', '2025-09-05', '{}', "
            "false, 'none', 4, '2025-11-03 10:00+00', now()) RETURNING id"
        )
        return int(number)

    def add_run(self, day: str, state: str, backfill_id: int | None = None) -> None:
        ((run,),) = self.do(
            "INSERT INTO dag_run (dag_id, run_id, run_type, state, run_after, partition_key, partition_date, conf, "
            "queued_at, start_date, end_date, clear_number, backfill_id) VALUES ('ashare_daily', %s, 'backfill', %s, "
            "now(), %s, %s, '{}', now(), now() - interval '42 seconds', now(), 0, %s) RETURNING id",
            *(f"run_{day}", state, day, f"{day} 00:00+08", backfill_id),
        )
        if backfill_id is not None:
            self.do(
                "INSERT INTO backfill_dag_run (backfill_id, dag_run_id, partition_key, sort_ordinal) "
                "VALUES (%s, %s, %s, 1)",
                *(backfill_id, run, day),
            )

    def add_status(self, day: str, status: str, loaded: int, reason: str) -> None:
        """What the date's run has recorded, with its rows."""
        ((run_id,),) = self.do("SELECT run_id FROM dag_run WHERE partition_key = %s", day)
        with self.connect("backfill_cli_bars") as bars:
            bars.execute(
                "INSERT INTO ashare.daily_bar (trade_date, code, is_trading) "
                "SELECT %s, 'sh.' || 600000 + n, true FROM generate_series(1, %s) AS n",
                (day, loaded),
            )
        record(self.bars, day, status, reason=reason, run_id=run_id)

    @property
    def bars(self) -> Database:
        """The database of the bars."""
        return Database(self._postgres, "backfill_cli_bars")

    def add_complete(self, *days: str, kinds: Sequence[str] = ("stock", "index")) -> None:
        """Dates whose data are complete though no run of theirs has brought them."""
        for day in days:
            record(self.bars, day, "success", kinds=kinds, loaded=1)


@pytest.fixture(scope="module")
def started(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Airflow]:
    airflow = Airflow(tmp_path_factory.mktemp("airflow"), postgres)
    yield airflow
    airflow.stop()


@pytest.fixture
def airflow(started: Airflow) -> Airflow:
    started.ready()
    return started


WEEK = ("-s", "2025-10-01", "-e", "2025-10-09")
WEEKDAYS = ["2025-10-01", "2025-10-02", "2025-10-03", "2025-10-06", "2025-10-07", "2025-10-08", "2025-10-09"]


def one_sentence(said: Said, code: int, *expected: str) -> None:
    assert said.code == code, said
    assert said.out == ""
    assert said.err.count("\n") == 1, said.err
    for text in expected:
        assert text in said.err


# Wrong usage


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((), "Say which dates"),
        (("-s", "soon"), "'soon' is not a trade date: write it as YYYY-MM-DD"),
        (("-s", "2025-02-30"), "is not a trade date"),
        (("-s", "2999-01-01"), "is in the future"),
        (("-e", "2999-01-01"), "is in the future"),
        (("-s", "1990-12-18"), "before 1990-12-19"),
        (("-s", "2025-10-09", "-e", "2025-10-01"), "is before the start date 2025-10-09"),
        ((*WEEK, "-c", "{kinds"), "--conf is not JSON"),
        ((*WEEK, "-c", "[1]"), "--conf is a JSON list, not an object"),
        ((*WEEK, "-c", '{"batch_size": 0}'), "batch_size: 0 is less than the minimum of 1"),
        ((*WEEK, "--reset-dagruns", "--rerun-failed-tasks"), "give one of them"),
        ((*WEEK, "-c", '{"kindz": ["etf"]}'), "ashare_daily has no param 'kindz' (did you mean 'kinds'?)"),
        ((*WEEK, "-n", "-c", '{"years": 1}'), "its params are batch_size, fetch, kinds, trade_date, verify."),
        ((*WEEK, "-c", '{"verify": true}'), "without --reset-dagruns complete dates are left alone: add it"),
        ((*WEEK, "--reset-dagruns", "-c", '{"verify": "yes"}'), "'yes' is not of type 'boolean'"),
        (
            ("-s", "2009-12-01", "-e", "2010-01-31", "--reset-dagruns", "-c", '{"verify": true}'),
            "2009-12-01 cannot be read again and compared: Baostock has whole markets of stock from 2010-01-01 on",
        ),
    ],
)
def test_wrong_usage(airflow: Airflow, arguments: tuple[str, ...], expected: str) -> None:
    one_sentence(airflow.backfill("ashare_daily", *arguments), 2, expected)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (
            ("hourly", *WEEK),
            "other DAG: airflow backfill create --dag-id hourly --from-date 2025-10-01 --to-date 2025-10-09",
        ),
        (("ashare_dayly", "-s", "2025-10-09"), "--dag-id ashare_dayly --from-date 2025-10-09 --to-date 2025-10-09"),
        (("a b",), "--dag-id 'a b' --from-date YYYY-MM-DD --to-date YYYY-MM-DD"),
        (
            ("ashare_history", *WEEK),
            """dags trigger ashare_history --conf '{"start_date": "2025-10-01", "end_date": "2025-10-09"}'""",
        ),
    ],
)
def test_another_dag_has_a_command_of_its_own(airflow: Airflow, arguments: tuple[str, ...], expected: str) -> None:
    one_sentence(airflow.backfill(*arguments), 2, expected + "\n")


def test_the_command_for_another_dag_is_one_that_airflow_has(airflow: Airflow) -> None:
    command = airflow.backfill("hourly", *WEEK).err.partition("for every other DAG: airflow ")[2].split()
    done = subprocess.run(
        [AIRFLOW, *command], env=airflow.environ, capture_output=True, text=True, timeout=60, check=False
    )
    assert "Could not find dag hourly" in done.stdout + done.stderr  # Airflow has read all of its flags


@pytest.mark.parametrize(
    "flags",
    """--pool=x --mark-success -m --local -l --donot-pickle -x --yes -y --continue-on-failures --disable-retry
    --ignore-dependencies -i --ignore-first-depends-on-past -I --subdir=dags -S --delay-on-limit=3 --task-regex=a
    -t --treat-dag-as-regex --treat-dag-id-as-regex""".split(),
)
def test_a_flag_of_airflow_2_without_meaning(airflow: Airflow, flags: str) -> None:
    one_sentence(airflow.backfill(*WEEK, flags, "ashare_daily"), 2, "has no meaning in Airflow 3: ")


def test_no_run_at_a_time(airflow: Airflow) -> None:
    said = airflow.backfill("ashare_daily", *WEEK, "--max-active-runs", "0")
    assert said.code == 2
    assert "'0' is not a whole number of 1 or more" in said.out + said.err


# Refused at once instead of waiting for ever


def test_the_dag_is_not_there(airflow: Airflow) -> None:
    airflow.do("UPDATE dag SET is_stale = true")
    one_sentence(airflow.backfill("ashare_daily", *WEEK), 1, "There is no DAG 'ashare_daily'", "airflow dags list")


def test_paused(airflow: Airflow) -> None:
    airflow.do("UPDATE dag SET is_paused = true")
    one_sentence(airflow.backfill("ashare_daily", *WEEK), 1, "is paused", "airflow dags unpause ashare_daily")


def test_no_scheduler_ever(airflow: Airflow) -> None:
    airflow.do("DELETE FROM job")
    one_sentence(airflow.backfill("ashare_daily", *WEEK), 1, "No scheduler is alive", "none has ever run")


def test_no_scheduler_any_more(airflow: Airflow) -> None:
    airflow.scheduler_beats(seconds_ago=300)
    one_sentence(airflow.backfill("ashare_daily", *WEEK), 1, "the last heartbeat was 3", "airflow scheduler")


def test_no_pool(airflow: Airflow) -> None:
    airflow.do("DELETE FROM slot_pool WHERE pool = 'baostock'")
    said = airflow.backfill("ashare_daily", *WEEK)
    one_sentence(said, 1, "the pool 'baostock', which does not exist", "airflow pools set baostock 8")


def test_a_pool_without_slots(airflow: Airflow) -> None:
    airflow.do("UPDATE slot_pool SET slots = 0 WHERE pool = 'baostock'")
    one_sentence(airflow.backfill("ashare_daily", *WEEK), 1, "the pool 'baostock', which has no slots")


def test_another_backfill_is_active(airflow: Airflow) -> None:
    number = airflow.add_backfill()
    airflow.add_run("2025-09-01", "running", number)
    said = airflow.backfill("ashare_daily", *WEEK)
    one_sentence(
        said,
        1,
        f"Backfill {number} of ashare_daily (2025-09-01 to 2025-09-05)",
        "is active since 2025-11-03 18:00 Asia/Shanghai",
        f"PUT http://localhost:8080/api/v2/backfills/{number}/cancel",
    )


def test_a_backfill_whose_runs_have_ended_is_not_in_the_way(airflow: Airflow) -> None:
    airflow.add_run("2025-09-01", "success", airflow.add_backfill())
    airflow.do("UPDATE dag SET is_paused = true")
    one_sentence(airflow.backfill("ashare_daily", *WEEK), 1, "is paused")
    assert airflow.do("SELECT count(*) FROM backfill WHERE completed_at IS NULL") == [(0,)]


def test_nothing_was_created_by_what_was_refused(airflow: Airflow) -> None:
    airflow.scheduler_beats(seconds_ago=300)
    airflow.backfill("ashare_daily", *WEEK)
    assert airflow.do("SELECT (SELECT count(*) FROM backfill), (SELECT count(*) FROM dag_run)") == [(0, 0)]


def test_a_wrong_setting_is_named(airflow: Airflow) -> None:
    said = airflow.backfill("ashare_daily", "-n", *WEEK, ASHARE_REQUEST_BUDGET="many")
    one_sentence(said, 1, "ASHARE_REQUEST_BUDGET is 'many'")


# What needs no scheduler


def test_a_range_without_a_weekday(airflow: Airflow) -> None:
    said = airflow.backfill("ashare_daily", "-s", "2025-10-04", "-e", "2025-10-05")
    assert said.code == 0
    assert "(a weekend?): nothing to do" in said.out


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (WEEK, WEEKDAYS),
        ((*WEEK, "-B"), WEEKDAYS[::-1]),
        (("-s", "2025-10-09"), ["2025-10-09"]),
        (("-e", "2025-10-09"), ["2025-10-09"]),
        ((*WEEK, "--rerun-failed-tasks"), WEEKDAYS),
    ],
)
def test_a_dry_run_lists_the_dates(airflow: Airflow, arguments: tuple[str, ...], expected: list[str]) -> None:
    airflow.do("UPDATE dag SET is_paused = true")
    said = airflow.backfill("ashare_daily", "-n", *arguments)
    assert said.code == 0
    assert said.out.splitlines()[:-1] == expected


@pytest.mark.parametrize(
    ("flag", "expected"),
    [
        ((), ["2025-10-10"]),
        (("--rerun-failed-tasks",), ["2025-10-09", "2025-10-10"]),
        (("--reset-dagruns",), ["2025-10-08", "2025-10-09", "2025-10-10"]),
    ],
)
def test_what_is_run_again(airflow: Airflow, flag: tuple[str, ...], expected: list[str]) -> None:
    airflow.add_run("2025-10-08", "success")
    airflow.add_status("2025-10-08", "success", 3, "")
    airflow.add_run("2025-10-09", "failed")
    said = airflow.backfill("ashare_daily", "-n", "-s", "2025-10-08", "-e", "2025-10-10", *flag)
    assert said.out.splitlines()[:-1] == expected


def test_dates_whose_data_are_complete_are_left_out(airflow: Airflow) -> None:
    airflow.add_complete("2025-10-01", "2025-10-02", "2025-10-07", "2025-10-09")
    said = airflow.backfill("ashare_daily", "-n", *WEEK)
    assert said.code == 0
    first, *dates, last = said.out.splitlines()
    assert first.startswith(
        "4 dates are complete in ashare.sync_status: nothing is to be done for them (--reset-dagruns"
    )
    assert dates == ["2025-10-03", "2025-10-06", "2025-10-07", "2025-10-08"]  # in the middle, at no request
    assert last == "4 would be run, 0 left alone because they have a run."
    other_kinds = airflow.backfill("ashare_daily", "-n", *WEEK, "-c", '{"kinds": ["etf"]}')
    assert "7 would be run" in other_kinds.out
    again = airflow.backfill("ashare_daily", "-n", *WEEK, "--reset-dagruns")
    assert "7 would be run" in again.out
    assert "are complete" not in again.out


def test_where_all_is_complete_there_is_nothing_to_do(airflow: Airflow) -> None:
    airflow.add_complete(*WEEKDAYS)
    airflow.do("UPDATE dag SET is_paused = true")  # not even a reason to refuse
    said = airflow.backfill("ashare_daily", *WEEK)
    assert said.code == 0, said
    assert said.out.endswith("\nNothing to do.\n")
    assert airflow.do("SELECT count(*) FROM backfill") == [(0,)]


def test_rows_that_are_gone_make_a_date_incomplete(airflow: Airflow) -> None:
    airflow.add_complete(*WEEKDAYS)
    airflow.bars.do(
        "INSERT INTO ashare.row_count_change (dataset, partitions, changes) "
        "SELECT dataset, ARRAY[partition], ARRAY[-loaded] FROM ashare.loaded_rows('2025-10-03', '2025-10-03')"
    )
    said = airflow.backfill("ashare_daily", "-n", *WEEK)
    assert said.out.splitlines()[1:] == ["2025-10-03", "1 would be run, 0 left alone because they have a run."]


def test_a_backfill_that_would_be_cheaper_by_code_says_so(airflow: Airflow) -> None:
    said = airflow.backfill("ashare_daily", "-n", "-s", "2015-10-01", "-e", "2025-10-09")
    assert said.code == 0
    advice = said.out.splitlines()[0]
    assert re.match(
        r"2616 dates one by one take about \d+ requests, \d+\.\d h; a stock at a time, they would take ", advice
    )
    command = advice.partition("airflow dags trigger ashare_history --conf ")[2]
    assert json.loads(command.strip("'")) == {
        "start_date": "2015-10-01",
        "end_date": "2025-10-09",
        "kinds": ["stock", "index"],
    }
    assert "ashare_history" not in airflow.backfill("ashare_daily", "-n", *WEEK).out


def test_dates_that_have_run_are_shown(airflow: Airflow) -> None:
    airflow.add_run("2025-10-08", "success")
    airflow.add_run("2025-10-09", "failed")
    airflow.add_status("2025-10-08", "skipped", 0, "closed: National Day")
    airflow.add_status("2025-10-09", "failed", 5100, "90 of 5190 missing")
    said = airflow.backfill("ashare_daily", "-s", "2025-10-08", "-e", "2025-10-09")
    assert said.code == 1
    assert re.search(r"2025-10-08 +already run: skipped +0 rows +42 s +closed: National Day", said.out)
    assert re.search(r"2025-10-09 +already run: failed +5,100 rows +42 s +90 of 5190 missing", said.out)
    assert "2 trade dates: 1 failed, 1 skipped." in said.out
    assert "Use --rerun-failed-tasks" in said.out
    assert airflow.do("SELECT count(*) FROM backfill") == [(0,)]


def test_what_reading_dates_again_costs_is_said_before(airflow: Airflow) -> None:
    airflow.add_complete(*WEEKDAYS)
    verify = ("--reset-dagruns", "-c", '{"verify": true}')
    cost, *dates, last = airflow.backfill("ashare_daily", "-n", *WEEK, *verify).out.splitlines()
    assert re.match(r"7 complete dates are read again: about 28 requests of \d+ left today, \d+ min\. Indices ", cost)
    assert dates == WEEKDAYS
    assert last == "7 would be run, 0 left alone because they have a run."
    years = airflow.backfill("ashare_daily", "-n", "-s", "2015-10-01", "-e", "2025-10-09", *verify)
    assert "ashare_history" not in years.out  # it would compare nothing


@contextmanager
def gone(airflow: Airflow, name: str) -> Iterator[None]:
    """While a database takes no connections, as when its server is restarted."""
    with airflow.connect("postgres") as admin:
        admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
        try:
            yield
        finally:
            admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")


def test_a_date_whose_rows_cannot_be_read_is_no_success(airflow: Airflow) -> None:
    airflow.add_run("2025-10-08", "success")
    with gone(airflow, "backfill_cli_bars"):
        said = airflow.backfill("ashare_daily", "-s", "2025-10-08")
    assert said.code == 1
    assert "The database of the connection ashare_postgres cannot be reached" in said.out
    assert re.search(r"already run: unknown .* its run ended well, and its rows cannot be read", said.out)
    assert "1 trade dates: 1 unknown." in said.out
    assert "hunter2" not in said.out + said.err
    assert airflow.do("SELECT count(*) FROM backfill") == [(0,)]


RUN_AGAIN = (
    "1 dates have a run that ended well, and are not complete by the rows in the database: they are run again."
)


@pytest.mark.parametrize(
    ("case", "flag"),
    [
        ("nothing recorded", ()),
        ("no schema", ()),
        ("rows gone", ("--rerun-failed-tasks",)),
        ("failed since", ()),
        ("other kinds", ()),
    ],
)
def test_a_date_is_run_again_whose_rows_are_not_there_whatever_runs_airflow_remembers(
    airflow: Airflow, case: str, flag: tuple[str, ...]
) -> None:
    airflow.add_run("2025-10-07", "failed")
    for day in ("2025-10-08", "2025-10-09"):
        airflow.add_run(day, "success")
    airflow.add_status("2025-10-08", "skipped", 0, "closed: National Day")
    if case not in ("nothing recorded", "no schema"):
        airflow.add_status("2025-10-09", "failed" if case == "failed since" else "success", 5, "")
    with airflow.connect("backfill_cli_bars") as bars:
        if case == "rows gone":
            bars.execute("DELETE FROM ashare.daily_bar WHERE code = 'sh.600003'")
        if case == "no schema":
            bars.execute("ALTER SCHEMA ashare RENAME TO elsewhere")
        try:
            conf = ("-c", '{"kinds": ["etf"]}') if case == "other kinds" else ()
            said = airflow.backfill("ashare_daily", "-n", "-s", "2025-10-07", "-e", "2025-10-09", *flag, *conf)
        finally:
            if case == "no schema":
                bars.execute("ALTER SCHEMA elsewhere RENAME TO ashare")
    assert said.code == 0
    *notes, last = said.out.splitlines()
    # Of a schema that is not there, the closed day is not known either.
    closed = ["2025-10-08"] if case == "no schema" else []
    assert RUN_AGAIN.replace("1", str(1 + len(closed)), 1) in notes
    failed = ["2025-10-07", "2025-10-08"] if flag else closed
    dates = [note for note in notes if re.fullmatch(r"2025-10-\d\d", note)]
    assert dates == [*failed, "2025-10-09"]
    assert last == f"{len(dates)} would be run, {3 - len(dates)} left alone because they have a run."


def test_a_range_of_holidays_ends_well_and_none_of_them_is_called_success(airflow: Airflow) -> None:
    for day in ("2025-10-07", "2025-10-08"):
        airflow.add_run(day, "success")
        airflow.add_status(day, "skipped", 0, "closed: National Day")
    said = airflow.backfill("ashare_daily", "-s", "2025-10-07", "-e", "2025-10-08")
    assert said.code == 0
    assert "2 trade dates: 2 skipped." in said.out


# Waiting. This test is the scheduler: it moves the runs from state to state.


def read_until(process: subprocess.Popen[str], airflow: Airflow, wanted: str) -> str:
    """What a command prints up to a text, while the scheduler lives."""
    assert process.stdout
    said = ""
    while wanted not in said:
        airflow.scheduler_beats()
        line = process.stdout.readline()
        assert line, said
        said += line
    return said


@pytest.fixture
def start(airflow: Airflow, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    processes: list[subprocess.Popen[str]] = []

    def begin(*arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [AIRFLOW, "dags", "backfill", "ashare_daily", *arguments],
            env=airflow.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        processes.append(process)
        return process

    yield begin
    for process in processes:
        with suppress(ProcessLookupError):
            process.kill()
        process.communicate()


def test_it_waits_and_shows_each_date(airflow: Airflow, start: Callable[..., subprocess.Popen[str]]) -> None:
    airflow.add_run("2025-10-08", "success")
    airflow.add_status("2025-10-08", "success", 3, "")
    process = start("-s", "2025-10-08", "-e", "2025-10-10", "--max-active-runs", "3", "-c", '{"batch_size": 7}')
    until(lambda: airflow.do("SELECT count(*) FROM dag_run") == [(3,)])
    (backfill,) = airflow.do("SELECT id, max_active_runs, dag_run_conf, reprocess_behavior FROM backfill")
    assert backfill[1:] == (3, {"batch_size": 7}, "none")
    airflow.add_status("2025-10-09", "success", 4, "")
    airflow.add_status("2025-10-10", "failed", 10, "the source refused")
    end = "UPDATE dag_run SET state = %s, start_date = now(), end_date = now() "
    airflow.do(end + "WHERE partition_key = '2025-10-09'", "success")
    airflow.scheduler_beats(seconds_ago=60)
    assert process.stdout
    said = ""
    while "no heartbeats any more" not in said:
        line = process.stdout.readline()
        assert line, said
        said += line
    airflow.scheduler_beats()
    airflow.do(end + "WHERE partition_key = '2025-10-10'", "failed")
    said += process.communicate(timeout=60)[0]
    assert process.returncode == 1, said
    assert re.search(r"\[1/3\] 2025-10-08 +already run: success", said)
    assert re.search(r"\[2/3\] 2025-10-09 +success +4 rows", said)
    assert re.search(r"\[3/3\] 2025-10-10 +failed +10 rows +0 s +the source refused", said)
    assert "3 trade dates: 1 failed, 2 success." in said
    assert airflow.do("SELECT count(*) FROM backfill WHERE completed_at IS NULL") == [(0,)]


def test_dates_that_were_read_again_are_summed_up_and_one_that_could_not_be_is_no_success(
    airflow: Airflow, start: Callable[..., subprocess.Popen[str]]
) -> None:
    days = ("2025-10-08", "2025-10-09", "2025-10-10")
    for day in days:
        airflow.add_run(day, "success")
        airflow.add_status(day, "success", 5, "")
    process = start("-s", days[0], "-e", days[-1], "--reset-dagruns", "-c", '{"verify": true}')
    until(lambda: airflow.do("SELECT count(*) FROM dag_run") == [(6,)])
    waits = "The day's requests are used up."
    insert = (
        "INSERT INTO ashare.batch (plan, trade_date, batch_no, kind, by, label, again, status, error) VALUES "
        "(%s, %s, 1, 'stock', 'market_day', 'again', ARRAY[%s::date], 'pending', %s)"
    )
    airflow.bars.do("DELETE FROM ashare.batch")
    airflow.bars.do(insert, days[0], days[0], days[0], waits)
    said = read_until(process, airflow, f"{days[0]} waits: {waits}")
    for day, revised, inserted in ((days[0], 3, 0), (days[1], 0, 1)):
        airflow.bars.do(
            "INSERT INTO ashare.verification (trade_date, dataset, compared, revised, inserted, lacking) "
            "VALUES (%s, 'stock_bar', 5000, %s, %s, 0)",
            *(day, revised, inserted),
        )
    for day in days:
        ((run_id,),) = airflow.do("SELECT run_id FROM dag_run WHERE partition_key = %s AND state = 'queued'", day)
        reason = f"{day} again, to be compared: garbage" if day == days[2] else ""
        record(airflow.bars, day, "success", reason=reason, run_id=run_id)
    end = "UPDATE dag_run SET start_date = now(), end_date = now(), state = "
    airflow.do(end + "'failed' WHERE state = 'queued' AND partition_key = %s", days[2])
    airflow.do(end + "'success' WHERE state = 'queued'")
    said += process.communicate(timeout=60)[0]
    assert process.returncode == 1, said
    assert re.search(rf"{days[2]} +failed +5 rows +0 s +{days[2]} again, to be compared: garbage", said)
    assert "3 trade dates: 1 failed, 2 success." in said
    assert (
        "Read again and compared: 3 of 10,000 bars had changed, 1 bar had been lacking, on 2 of 2 dates "
        "(2025-10-08, 2025-10-09)."
    ) in said


def test_the_database_is_read_again_after_it_was_lost_and_a_run_without_rows_is_no_success(
    airflow: Airflow, start: Callable[..., subprocess.Popen[str]]
) -> None:
    process = start("-s", "2025-10-08", "-e", "2025-10-09")
    until(lambda: airflow.do("SELECT count(*) FROM dag_run") == [(2,)])
    airflow.add_status("2025-10-08", "success", 3, "")
    assert process.stdout
    said = ""
    with gone(airflow, "backfill_cli_bars"):
        airflow.do("UPDATE dag_run SET state = 'success', end_date = now()")
        while "looked at again for two minutes" not in said:
            line = process.stdout.readline()
            assert line, said
            said += line
        airflow.scheduler_beats()
    said += process.communicate(timeout=60)[0]
    assert process.returncode == 1, said
    assert re.search(r"\[\d/2\] 2025-10-08 +success +3 rows", said)
    assert re.search(r"\[\d/2\] 2025-10-09 +failed +0 rows .* nothing is recorded of it in ashare.sync_status", said)
    assert "2 trade dates: 1 failed, 1 success." in said


def test_over_a_backfill_that_was_cancelled_in_the_ui_no_run_is_left_that_cannot_start(
    airflow: Airflow, start: Callable[..., subprocess.Popen[str]]
) -> None:
    number = airflow.add_backfill()
    airflow.do("UPDATE backfill SET is_paused = true, completed_at = now() WHERE id = %s", number)
    airflow.add_run("2025-10-08", "queued", number)  # made while it was cancelled
    airflow.add_run("2025-10-09", "queued", number)
    airflow.do("UPDATE dag_run SET clear_number = 1 WHERE partition_key = '2025-10-09'")
    process = start("-s", "2025-10-09", "-e", "2025-10-09", "--rerun-failed-tasks")
    until(lambda: airflow.do("SELECT is_paused FROM backfill WHERE id = %s", number), [(False,)].__eq__)
    airflow.add_status("2025-10-09", "success", 3, "")
    states = dict(airflow.do("SELECT partition_key, state FROM dag_run"))
    assert states == {"2025-10-08": "failed", "2025-10-09": "queued"}
    airflow.do("UPDATE dag_run SET state = 'success', end_date = now() WHERE partition_key = '2025-10-09'")
    said = process.communicate(timeout=60)[0]
    assert process.returncode == 0, said


def test_a_run_that_a_paused_backfill_holds_back_is_said_with_what_to_do(
    airflow: Airflow, start: Callable[..., subprocess.Popen[str]]
) -> None:
    process = start("-s", "2025-10-09")
    until(lambda: airflow.do("SELECT count(*) FROM dag_run") == [(1,)])
    airflow.do("UPDATE backfill SET is_paused = true")
    ((number,),) = airflow.do("SELECT id FROM backfill")
    read_until(process, airflow, f"Backfill {number} is paused: its dates do not start until it is unpaused")


def test_after_ctrl_c_the_backfill_goes_on(airflow: Airflow, start: Callable[..., subprocess.Popen[str]]) -> None:
    process = start("-s", "2025-10-09")
    assert process.stdout
    first = process.stdout.readline()
    assert re.fullmatch(r"Backfill \d+ of ashare_daily: dates to run 1, left alone 0\.\n", first)
    process.send_signal(signal.SIGINT)
    rest = process.communicate(timeout=60)[0]
    ((number,),) = airflow.do("SELECT id FROM backfill WHERE completed_at IS NULL")
    assert process.returncode == 130
    assert f"Backfill {number} goes on" in rest
    assert f"/api/v2/backfills/{number}/cancel" in rest
    assert airflow.do("SELECT state FROM dag_run") == [("queued",)]


def test_the_command_is_listed(airflow: Airflow) -> None:
    said = airflow.backfill("--help")
    assert said.code == 0
    for flag in ("--start-date", "--end-date", "--conf", "--dry-run", "--run-backwards", "--rerun-failed-tasks"):
        assert flag in said.out
    assert "--mark-success" not in said.out


def test_what_is_printed_as_json_is_json_alone(airflow: Airflow) -> None:
    done = subprocess.run(
        [AIRFLOW, "dags", "list", "-o", "json"],
        env=airflow.environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "ashare_daily" in {dag["dag_id"] for dag in json.loads(done.stdout)}
