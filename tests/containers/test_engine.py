"""docker-compose.yaml by a real Docker engine: from nothing to three loaded trade dates, and down again.

`make test-compose` runs it: in a project, on a port and with an .env of its own, and with an image that is built for
it (ASHARE_IMAGE=name: with that one). All of it is removed at the end, whatever happens.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote

import pytest

from ashare_local import PROJECT
from ashare_local.ports import free_port

pytestmark = [
    pytest.mark.skipif(
        not os.environ.get("ASHARE_TEST_COMPOSE"),
        reason="`make test-compose` runs it: it takes a Docker engine, several images and some minutes",
    ),
    pytest.mark.timeout(3600),  # the first time, the images are fetched
]

UP_SECONDS, HEALTHY_SECONDS = 900, 600
DATES = ("2026-05-06", "2026-05-07", "2026-05-08")
SERVICES = {"postgres", "init", "api-server", "scheduler", "dag-processor", "triggerer", "cleaner", "emulator"}


class Compose:
    """One project of Docker Compose, with the profile `demo`."""

    def __init__(self, directory: Path) -> None:
        self.project = f"ashare-test-{secrets.token_hex(4)}"
        self.port = free_port()
        self.given_image = os.environ.get("ASHARE_IMAGE")
        self.image = self.given_image or f"{self.project}:test"
        self.env_file = make_env(directory, PORT=str(self.port), ASHARE_IMAGE=self.image)
        self.values = dict(line.split("=", 1) for line in self.env_file.read_text().splitlines())

    def __call__(self, *arguments: str, seconds: float = 300) -> subprocess.CompletedProcess[str]:
        options = ("--project-directory", str(PROJECT), "--env-file", str(self.env_file), "-p", self.project)
        return docker("compose", *options, "--profile", "demo", *arguments, seconds=seconds)

    def up(self) -> None:
        """Build and start; what cannot be had fails the tests with a sentence."""
        if not self.given_image:
            built = self("build", seconds=UP_SECONDS)
            if built.returncode:
                pytest.fail(f"The image cannot be built here: {last_line(built.stderr)}", pytrace=False)
        started = self("up", "-d", seconds=UP_SECONDS)
        if started.returncode:
            logs = self("logs", "--no-color", "--tail", "20").stdout
            pytest.fail(f"`docker compose up` failed: {last_line(started.stderr)}\n{logs}", pytrace=False)

    def down(self) -> None:
        """Stop and remove everything, the volumes, too."""
        removed = self("down", "--volumes", "--remove-orphans", "--timeout", "20", seconds=300)
        if not self.given_image:
            docker("image", "rm", "--force", self.image)
        assert removed.returncode == 0, removed.stderr

    def containers(self) -> dict[str, Any]:
        """What the engine says about each service's container, those that have ended included."""
        ids = self("ps", "--all", "--quiet").stdout.split()
        found = json.loads(docker("inspect", *ids).stdout) if ids else []
        return {container["Config"]["Labels"]["com.docker.compose.service"]: container for container in found}

    def psql(self, database: str, query: str) -> list[list[str]]:
        done = self("exec", "-T", "postgres", "psql", "-XAtF|", "-U", "postgres", "-d", database, "-c", query)
        assert done.returncode == 0, done.stderr
        return [line.split("|") for line in done.stdout.splitlines()]

    def http(self, method: str, path: str, body: object = None, token: str = "") -> Any:
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", method=method)
        request.add_header("Accept", "application/json")
        if token:
            request.add_header("Authorization", f"Bearer {token}")
        if body is not None:
            request.add_header("Content-Type", "application/json")
            request.data = json.dumps(body).encode()
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60) as reply:
            return json.load(reply)

    def sign_in(self, password: str) -> str:
        return str(self.http("POST", "/auth/token", {"username": "admin", "password": password})["access_token"])


def docker(*arguments: str, seconds: float = 120) -> subprocess.CompletedProcess[str]:
    # Compose would prefer the shell's values to those of --env-file.
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "ASHARE", "COMPOSE_"))
    }
    for name in ("PORT", "KEEP_DAYS", "ADMIN_PASSWORD", "POSTGRES_PASSWORD", "REDIS_PASSWORD"):
        kept.pop(name, None)
    command = ["docker", *arguments]
    return subprocess.run(
        command, env=kept, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds, check=False
    )


def last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no reason was given"])[-1].strip()


def make_env(directory: Path, **settings: str) -> Path:
    """What `make env` writes, in another directory."""
    script = directory / "deploy" / "env.sh"
    script.parent.mkdir()
    shutil.copy(PROJECT / "deploy/env.sh", script)
    subprocess.run(["sh", str(script)], env={"PATH": os.environ["PATH"]}, check=True, capture_output=True)
    env_file = directory / ".env"
    with env_file.open("a") as file:
        file.writelines(f"{name}={value}\n" for name, value in settings.items())
    return env_file


def lacking() -> str | None:
    """Why no container can be run here, in one sentence; ``None`` when they can be."""
    if not shutil.which("docker"):
        return "There is no `docker` here: install Docker Engine and its Compose plugin."
    if docker("compose", "version").returncode:
        return "Docker's Compose plugin is not installed: the package is docker-compose-plugin."
    if docker("version", "--format", "{{.Server.Version}}").returncode:
        return "No Docker engine answers: start it; `docker version` says more."
    for image in ("postgres:18", os.environ.get("ASHARE_IMAGE") or "apache/airflow:3.3.2"):
        if docker("image", "inspect", image).returncode:
            pulled = docker("pull", "--quiet", image, seconds=UP_SECONDS)
            if pulled.returncode:
                return f"The image {image} is not here and cannot be fetched: {last_line(pulled.stderr)}"
    return None


@pytest.fixture(scope="module")
def stack() -> Iterator[Compose]:
    if problem := lacking():
        pytest.fail(problem, pytrace=False)
    with tempfile.TemporaryDirectory(prefix="ashare-compose-") as name:
        compose = Compose(Path(name))
        try:
            compose.up()
            yield compose
        finally:
            compose.down()


def test_every_service_becomes_healthy_and_stays_up(stack: Compose) -> None:
    deadline = time.monotonic() + HEALTHY_SECONDS
    while waited_for := unfit(found := stack.containers()):
        assert time.monotonic() < deadline, f"{waited_for}\n{stack('logs', '--no-color', '--tail', '20').stdout}"
        time.sleep(2)
    assert found.keys() == SERVICES
    assert {name: container["RestartCount"] for name, container in found.items()} == dict.fromkeys(found, 0)


def unfit(containers: dict[str, Any]) -> dict[str, str]:
    """The services that are not yet, or no longer, as they should be."""
    states = {}
    for name, container in containers.items():
        state = container["State"]
        if name == "init":
            states[name] = "fit" if (state["Status"], state["ExitCode"]) == ("exited", 0) else state["Status"]
        else:
            state = state.get("Health") or {"Status": "healthy" if state["Running"] else state["Status"]}
            states[name] = "fit" if state["Status"] == "healthy" else state["Status"]
    return {name: state for name, state in states.items() if state != "fit"}


def test_nothing_but_the_ui_is_published_and_only_on_this_machine(stack: Compose) -> None:
    published = {
        (name, inside, bound["HostIp"], bound["HostPort"])
        for name, container in stack.containers().items()
        for inside, bindings in container["NetworkSettings"]["Ports"].items()
        for bound in bindings or ()
    }
    assert published == {("api-server", "8080/tcp", "127.0.0.1", str(stack.port))}


def test_the_admin_of_the_env_file_signs_in(stack: Compose) -> None:
    assert stack.sign_in(stack.values["ADMIN_PASSWORD"])
    with pytest.raises(HTTPError, match="401"):
        stack.sign_in("admin")


def test_a_backfill_of_three_trade_dates(stack: Compose) -> None:
    command = ("airflow", "dags", "backfill", "-s", DATES[0], "-e", DATES[-1], "ashare_daily")
    done = stack("exec", "-T", "scheduler", *command, seconds=600)
    assert done.returncode == 0, done.stdout + done.stderr

    between = f"trade_date BETWEEN '{DATES[0]}' AND '{DATES[-1]}'"
    query = "SELECT trade_date, status, expected = loaded, loaded > 5000 FROM ashare.sync_status WHERE {} ORDER BY 1"
    assert stack.psql("ashare", query.format(between)) == [[day, "success", "t", "t"] for day in DATES]
    loaded = f"SELECT sum(loaded) FROM ashare.sync_status WHERE {between}"
    assert stack.psql("ashare", f"SELECT count(*) FROM ashare.daily_bar WHERE {between}") == stack.psql(
        "ashare", loaded
    )


def test_the_ui_shows_what_a_task_has_logged(stack: Compose) -> None:
    token = stack.sign_in(stack.values["ADMIN_PASSWORD"])
    runs = stack.http("GET", "/api/v2/dags/ashare_daily/dagRuns?limit=100", token=token)["dag_runs"]
    run_id = next(run["dag_run_id"] for run in runs if run["partition_key"] == DATES[0])
    path = f"/api/v2/dags/ashare_daily/dagRuns/{quote(run_id)}/taskInstances/record_status/logs/1"
    assert "is complete" in str(stack.http("GET", path, token=token)["content"])
