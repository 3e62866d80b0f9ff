"""`make demo`, `make up`, `make down`: what they say, write and stop, without starting Airflow."""

from __future__ import annotations

import json
import os
import shutil
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from ashare.connection import libpq_env
from ashare.errors import InvalidInput
from ashare_local import PROJECT, StackError, down, env_file_check, processes, up
from ashare_local.demo_market import KEEP_MARKER
from ashare_local.env_file import read_env_file, write_env_file
from ashare_local.ports import free_port, port_is_free
from ashare_local.processes import Component, GracePeriod, Record
from ashare_local.stack import Stack
from ashare_local.stack_connections import baostock_json, mark_as_stack_connection
from ashare_local.state_directory import claim, holder, load_secrets, stop_left_over, wipe

AWKWARD = """it's "quoted" $HOME `id` \\ 100% 中文"""
SHELLS = [shell for shell in ("sh", "bash", "zsh") if shutil.which(shell)]
QUICK = GracePeriod(leader=0.5, members=0.5)

# Starts a child and ignores SIGTERM, as does the child: only SIGKILL to the whole session helps.
STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
subprocess.Popen(["sh", "-c", "trap '' TERM; while :; do sleep 0.2; done"])
sys.stdout.write("ready"); sys.stdout.flush()
time.sleep(60)
"""


def run(module: str, tmp_path: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "DEMO", "PORT"))}
    env = kept | {"ASHARE_STATE_DIR": str(tmp_path / "state")} | settings
    command = [sys.executable, "-m", module]
    return subprocess.run(command, env=env, cwd=PROJECT, capture_output=True, text=True, timeout=60, check=False)


def start(tmp_path: Path, code: str, name: str = "scheduler") -> Component:
    component = Component(
        name, [sys.executable, "-c", code], env=os.environ, cwd=tmp_path, log_file=tmp_path / f"{name}.log"
    )
    deadline = time.monotonic() + 20
    while "ready" not in component.log_tail() and time.monotonic() < deadline:
        time.sleep(0.02)
    return component


@pytest.fixture
def stubborn(tmp_path: Path) -> Iterator[Component]:
    component = start(tmp_path, STUBBORN)
    yield component
    processes.stop([component.record], {component.name: QUICK})
    component.process.wait()


@pytest.mark.parametrize("shell", SHELLS)
def test_env_file_carries_every_value_into_the_shell(tmp_path: Path, shell: str) -> None:
    env = {"AIRFLOW_CONN_X": AWKWARD, "PYTHONPATH": "/a b", "UNRELATED": "1"}
    path = tmp_path / "a dir" / "env.sh"
    path.parent.mkdir()
    write_env_file(path, env, {"PGHOST": "/sock", "PGPASSWORD": AWKWARD})
    script = (
        f'. "{path}"; "{sys.executable}" -c '
        "'import json, os; os.write(1, json.dumps(dict(os.environ)).encode())'; command -v airflow; command -v psql"
    )
    given = {"PATH": os.environ["PATH"], "PGSERVICE": "elsewhere"}
    done = subprocess.run([shell, "-c", script], env=given, capture_output=True, text=True, check=True)
    values, end = json.JSONDecoder().raw_decode(done.stdout)
    assert values["AIRFLOW_CONN_X"] == AWKWARD
    assert values["PGPASSWORD"] == AWKWARD
    assert values["PYTHONPATH"] == "/a b"
    assert "UNRELATED" not in values and "PGSERVICE" not in values
    assert len(done.stdout[end:].split()) == 2, "airflow and psql are both found"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_secrets_are_generated_once_and_private(tmp_path: Path) -> None:
    first = load_secrets(tmp_path)
    assert load_secrets(tmp_path) == first
    assert stat.S_IMODE((tmp_path / "secrets.json").stat().st_mode) == 0o600
    assert len(set(first.values())) == 4


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"DEMO_START": "2026-02-30"}, "'2026-02-30' is not a trade date: write it as YYYY-MM-DD"),
        ({"DEMO_START": "2026-05-08", "DEMO_END": "2026-04-27"}, "is before the start date 2026-05-08: swap them."),
        ({"DEMO_START": "1990-01-01"}, "is before 1990-12-19"),
        ({"DEMO_END": "2999-01-01"}, "is in the future"),
    ],
)
def test_wrong_demo_dates_are_said_before_anything_starts(
    tmp_path: Path, settings: dict[str, str], sentence: str
) -> None:
    done = run("ashare_local.demo", tmp_path, **settings)
    assert done.returncode == 1
    assert sentence in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "state").exists()


def test_a_port_that_is_taken_is_said_with_one_that_is_free(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert not port_is_free(port)
        done = run("ashare_local.up", tmp_path, PORT=str(port))
    assert done.returncode == 1
    assert f"Port {port} is taken: set another, for example `make up PORT=" in done.stderr
    assert port_is_free(free_port())


@pytest.mark.parametrize("text", ["0", "65536", "http", "-1", "８０８０x"])
def test_a_port_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="PORT is"):
        up.chosen_port(text)


def test_a_second_stack_on_the_same_state_says_who_has_it(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    with claim(state):
        done = run("ashare_local.up", tmp_path)
        with pytest.raises(StackError, match=f"in use by process {os.getpid()}"):
            wipe(state)
    assert done.returncode == 1
    assert f"in use by process {os.getpid()}" in done.stderr
    assert holder(state) is None


def test_an_outside_database_that_refuses_is_one_sentence(tmp_path: Path) -> None:
    closed = f"postgresql://ashare:hidden-word@127.0.0.1:{free_port()}/ashare"
    done = run("ashare_local.demo", tmp_path, AIRFLOW_CONN_ASHARE_POSTGRES=closed)
    assert done.returncode == 1
    assert "Check AIRFLOW_CONN_ASHARE_POSTGRES." in done.stderr
    assert "hidden-word" not in done.stderr + done.stdout
    assert run("ashare_local.down", tmp_path).stdout == "Nothing was running.\n"


@pytest.mark.parametrize(
    "value",
    [
        "postgres://me:p%40ss@db.example:5433/ashare?sslmode=require",
        json.dumps(
            {
                "conn_type": "postgres",
                "host": "db.example",
                "port": 5433,
                "login": "me",
                "password": "p@ss",
                "schema": "ashare",
                "extra": {"sslmode": "require"},
            }
        ),
    ],
)
def test_psql_reaches_the_database_of_a_connection(value: str) -> None:
    assert libpq_env("AIRFLOW_CONN_ASHARE_POSTGRES", value) == {
        "PGHOST": "db.example",
        "PGPORT": "5433",
        "PGUSER": "me",
        "PGPASSWORD": "p@ss",
        "PGDATABASE": "ashare",
        "PGSSLMODE": "require",
    }


@pytest.mark.parametrize("value", ["{broken", "mysql://a/b", "postgres://h:notaport/x", "postgres://h/x?__extra__=1"])
def test_a_connection_that_is_none_is_refused(value: str) -> None:
    with pytest.raises(InvalidInput, match="AIRFLOW_CONN_ASHARE_POSTGRES is not"):
        libpq_env("AIRFLOW_CONN_ASHARE_POSTGRES", value)


def test_stop_ends_the_whole_session_even_if_it_does_not_want_to(stubborn: Component) -> None:
    assert len(processes.members(stubborn.record)) >= 2
    processes.stop([stubborn.record], {stubborn.name: QUICK})
    assert processes.members(stubborn.record) == []


def test_what_a_dead_leader_left_is_found_and_stopped(stubborn: Component) -> None:
    stubborn.process.kill()
    stubborn.process.wait()
    assert processes.members(stubborn.record), "the child lives on"
    processes.stop([stubborn.record], {stubborn.name: QUICK})
    assert processes.members(stubborn.record) == []


def test_down_stops_what_was_left_behind_and_nothing_else(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    polite = 'import sys, time; sys.stdout.write("ready"); sys.stdout.flush(); time.sleep(60)'
    left, other = start(tmp_path, polite), start(tmp_path, polite, "other")
    # The other one carries a pid that was the stack's before the machine was started again.
    earlier = Record("dag-processor", other.record.pid, other.record.started - 1000)
    processes.write_records(state / "processes.json", [left.record, earlier])
    try:
        assert down.bring_down(state)
        assert left.process.wait(10) != 0
        assert other.ended is None
        assert stop_left_over(state) == []
    finally:
        for component in (left, other):
            component.process.kill()
            component.process.wait()


def test_down_asks_a_live_stack_to_end(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    code = f"""
import sys, time
from pathlib import Path
from ashare_local.state_directory import claim
from ashare_local.terminal import Stopped, stop_signals
try:
    with stop_signals(), claim(Path({str(state)!r})):
        sys.stdout.write("ready"); sys.stdout.flush()
        time.sleep(60)
except Stopped:
    sys.exit(0)
"""
    command = [sys.executable, "-c", code]
    live = subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE)
    assert live.stdout is not None and live.stdout.read(5) == b"ready"
    assert down.bring_down(state)
    assert live.wait(10) == 0
    live.stdout.close()


# Two stacks, two files


@contextmanager
def listening(path: Path) -> Iterator[int]:
    """A database's socket, and a port of Airflow's."""
    with socket.socket(socket.AF_UNIX) as database, socket.socket() as airflow:
        database.bind(str(path))
        airflow.bind(("127.0.0.1", 0))
        for opened in (database, airflow):
            opened.listen()
        yield airflow.getsockname()[1]


def read_in(shell: str, env_file: Path) -> subprocess.CompletedProcess[str]:
    """What a line of cron prints that reads the file, and goes on only if that is well."""
    script = f'. "{env_file}" && echo "for $AIRFLOW_CONN_X"'
    given = {"PATH": os.environ["PATH"]}
    return subprocess.run([shell, "-c", script], env=given, capture_output=True, text=True, timeout=30, check=False)


def test_an_env_file_gives_the_command_of_the_package(tmp_path: Path) -> None:
    env_file = tmp_path / "env.sh"
    write_env_file(env_file, {"PYTHONPATH": os.environ["PYTHONPATH"]}, {})
    script = f'. "{env_file}" && ashare --help && ashare emulator --help'
    done = subprocess.run(
        ["sh", "-c", script],
        env={"PATH": os.environ["PATH"], "AIRFLOW_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "usage: ashare [-h]" in done.stdout
    assert "count a log's requests" in done.stdout


@pytest.mark.parametrize("shell", SHELLS)
def test_an_env_file_says_on_reading_which_stack_it_is_of_and_whether_that_runs(shell: str) -> None:
    with TemporaryDirectory(prefix="ashare it's ") as directory:  # short enough for a socket
        state, env_file = Path(directory), Path(directory, "env.sh")

        def written(port: int, database: str) -> Path:
            what = (directory, f"the DEMO in {directory}", "make up DEMO=1", str(port), database)
            check = [sys.executable, "-I", env_file_check.__file__, *what]
            write_env_file(env_file, {"AIRFLOW_CONN_X": AWKWARD, "PYTHONPATH": "/"}, {}, check)
            return env_file

        database = state / ".s.PGSQL.5432"
        with listening(database) as port:
            with claim(state):
                runs = read_in(shell, written(port, str(database)))
            other_stack = read_in(shell, env_file)
        dead = read_in(shell, env_file)
        own_database = read_in(shell, written(port, ""))
    assert runs.stderr == f"This terminal is set to the DEMO in {directory}: Airflow at http://localhost:{port}.\n"
    assert runs.stdout == own_database.stdout == f"for {AWKWARD}\n"
    again = "start it with `make up DEMO=1`, then read this file again.\n"
    assert "whose Airflow does not run (its database runs): " + again in other_stack.stderr, "another has its port"
    assert dead.stderr == f"This terminal is set to the DEMO in {directory}, which does not run: {again}"
    assert (dead.returncode, dead.stdout) == (1, ""), "what needs the database is not begun"
    assert "(its database is one of your own)" in own_database.stderr


def test_what_one_env_file_sets_does_not_outlast_the_reading_of_another(tmp_path: Path) -> None:
    demo, real = tmp_path / "demo.sh", tmp_path / "real.sh"
    emulator = mark_as_stack_connection(baostock_json("127.0.0.1", 1), tmp_path)
    write_env_file(demo, {"AIRFLOW_CONN_BAOSTOCK": emulator, "PYTHONPATH": "/"}, {"PGPASSWORD": "demo"})
    write_env_file(real, {"AIRFLOW_CONN_ASHARE_POSTGRES": "real", "PYTHONPATH": "/"}, {})
    script = f'. {demo}; . {real}; echo "$AIRFLOW_CONN_BAOSTOCK$PGPASSWORD$AIRFLOW_CONN_ASHARE_POSTGRES"'
    assert subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout == "real\n"


EMBEDDED = json.dumps({"conn_type": "postgres", "host": "/nowhere", "port": 5432, "schema": "ashare"})


def test_a_stacks_own_connections_are_not_taken_for_a_persons(tmp_path: Path) -> None:
    of_a_demo = {
        "AIRFLOW_CONN_ASHARE_POSTGRES": mark_as_stack_connection(EMBEDDED, tmp_path / "demo"),
        "AIRFLOW_CONN_BAOSTOCK": mark_as_stack_connection(baostock_json("127.0.0.1", 1), tmp_path / "demo"),
    }
    assert not Stack(tmp_path, environment=of_a_demo).has_own_database
    assert Stack(tmp_path, environment=of_a_demo, emulator=()).has_emulator
    assert Stack(tmp_path, environment={"AIRFLOW_CONN_ASHARE_POSTGRES": EMBEDDED}).has_own_database
    # Each make target goes by DEMO=1 alone, whatever env.sh the terminal has read.
    for demo, place in (("", "state"), ("1", "state/demo")):
        done = run("ashare_local.psql", tmp_path, DEMO=demo, **of_a_demo)
        assert f"There is no database in {tmp_path / place} yet" in done.stderr
        done = run(
            "ashare_local.stack_doctor",
            tmp_path,
            DEMO=demo,
            AIRFLOW_HOME=str(tmp_path / "own" / "airflow"),
            **of_a_demo,
        )
        assert "The Airflow connection 'ashare_postgres' is not set" in done.stdout, "one's own Airflow"
        (tmp_path / "env.sh").touch()
        done = run(
            "ashare_local.stack_doctor", tmp_path, DEMO=demo, AIRFLOW_HOME=str(tmp_path / "airflow"), **of_a_demo
        )
        assert done.stderr.startswith(f"Nothing is set up here yet: run `make up{' DEMO=1' if demo else ''}` first.")


def test_the_doctor_looks_at_the_stack_that_is_meant_and_says_which(tmp_path: Path) -> None:
    state = tmp_path / "state"
    for directory in (state / "demo", state):
        directory.mkdir(exist_ok=True, parents=True)
        value = mark_as_stack_connection(EMBEDDED.replace("/nowhere", f"{directory}/postgres"), directory)
        env = {
            "AIRFLOW_CONN_ASHARE_POSTGRES": value,
            "PYTHONPATH": os.environ["PYTHONPATH"],
            "AIRFLOW_HOME": str(directory),
        }
        write_env_file(directory / "env.sh", env, {})
    stale = dict(read_env_file(state / "demo" / "env.sh"))
    assert "PATH" not in stale
    for demo, kind, directory in (("", "stack", state), ("1", "demo", state / "demo")):
        said = run("ashare_local.stack_doctor", tmp_path, **stale, DEMO=demo).stdout
        assert said.startswith(f"The {kind} in {directory}:\n")
        assert f"{directory}/postgres/.s.PGSQL" in said, said


@pytest.fixture
def two_stacks(tmp_path: Path) -> Iterator[dict[str, Component]]:
    """What two killed stacks have left, by whose it is."""
    left = {}
    for name, directory in (("real", tmp_path / "state"), ("demo", tmp_path / "state" / "demo")):
        directory.mkdir()
        left[name] = start(
            tmp_path, 'import sys, time; sys.stdout.write("ready"); sys.stdout.flush(); time.sleep(60)'
        )
        processes.write_records(directory / "processes.json", [left[name].record])
    yield left
    for component in left.values():
        component.process.kill()
        component.process.wait()


def test_down_with_demo_stops_the_demo_alone(tmp_path: Path, two_stacks: dict[str, Component]) -> None:
    assert "Stopped what was left behind on " in run("ashare_local.down", tmp_path, DEMO="1").stdout
    assert two_stacks["demo"].process.wait(10) is not None
    assert two_stacks["real"].ended is None
    run("ashare_local.down", tmp_path)
    assert two_stacks["real"].process.wait(10) is not None


def test_down_leaves_nothing_of_this_checkout_running(tmp_path: Path, two_stacks: dict[str, Component]) -> None:
    run("ashare_local.down", tmp_path)
    assert all(component.process.wait(10) is not None for component in two_stacks.values())


def test_the_demo_does_not_delete_what_make_up_has_loaded_unless_asked_to(tmp_path: Path) -> None:
    bars = tmp_path / "state" / "demo" / "postgres" / "data"
    bars.mkdir(parents=True)
    (tmp_path / "state" / "demo" / KEEP_MARKER).touch()
    refused = run("ashare_local.demo", tmp_path)
    assert refused.returncode == 1
    assert "`make demo OVERWRITE=1` deletes them" in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1
    assert bars.exists()
    nowhere = f"postgresql://ashare@127.0.0.1:{free_port()}/ashare?sslmode=bogus"
    # Refused for another reason, before anything is deleted.
    assert run("ashare_local.demo", tmp_path, AIRFLOW_CONN_ASHARE_POSTGRES=nowhere, OVERWRITE="1").returncode == 1
    assert bars.exists()


def make_clean(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in os.environ.items() if not name.startswith(("ASHARE", "MAKE", "DEMO"))}
    command = ["make", "clean", *arguments]
    return subprocess.run(command, cwd=project, env=env, capture_output=True, text=True, timeout=60, check=False)


def test_clean_deletes_no_database_that_is_not_named(tmp_path: Path) -> None:
    shutil.copy(PROJECT / "Makefile", tmp_path)
    for directory in (".airflow", ".airflow/demo"):
        (tmp_path / directory / "postgres").mkdir(parents=True)
        (tmp_path / directory / "secrets.json").touch()
    (tmp_path / ".venv").mkdir()
    for folder in ("elsewhere", "dags", "include", "plugins", "tests", "bench"):
        (tmp_path / folder).mkdir()
    done = make_clean(tmp_path)
    assert "Kept: the databases in .airflow. `make clean DATABASE=.airflow` deletes them" in done.stdout
    assert not (tmp_path / ".venv").exists()
    assert (tmp_path / ".airflow/postgres").exists() and (tmp_path / ".airflow/demo/postgres").exists()
    for wrong in ("elsewhere", "..", "/", "1"):
        refused = make_clean(tmp_path, f"DATABASE={wrong}")
        assert refused.returncode and f"DATABASE is '{wrong}': it must be .airflow, or" in refused.stderr
    foreign = make_clean(tmp_path, "DATABASE=elsewhere", "ASHARE_STATE_DIR=elsewhere")
    assert foreign.returncode and "elsewhere is none that `make up` or `make demo` has made" in foreign.stderr
    assert (tmp_path / "elsewhere").exists()
    make_clean(tmp_path, "DATABASE=.airflow/demo")
    assert (tmp_path / ".airflow/postgres").exists() and not (tmp_path / ".airflow/demo").exists()
    assert "Kept" not in make_clean(tmp_path, "DATABASE=.airflow").stdout
    assert not (tmp_path / ".airflow").exists()
