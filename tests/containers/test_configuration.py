"""docker-compose.yaml, the Dockerfile and `make env`, without a Docker engine."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from ashare.settings import Settings
from ashare_local import PROJECT
from tests.containers.compose import COMPOSE_FILE, interpolate, services
from tests.deployed import is_option, pinned, version

SECRETS = (
    *("POSTGRES_PASSWORD", "AIRFLOW_DB_PASSWORD", "ASHARE_DB_PASSWORD", "REDIS_PASSWORD"),
    *("API_SECRET_KEY", "JWT_SECRET", "FERNET_KEY", "ADMIN_PASSWORD"),
)
ENV = {name: f"the-{name.lower()}" for name in SECRETS}
ALL = ("celery", "demo")
ONE_SHOT = {"init"}
NOT_ASKED = {"init", "cleaner"}
"""Have nothing that could be asked whether they are well: they end, or would, with an error."""


def made(directory: Path, **settings: str) -> tuple[dict[str, str], str]:
    """Run `make env` in a directory; what is in its .env then, and what was said."""
    (directory / "deploy").mkdir(exist_ok=True)
    shutil.copy(PROJECT / "deploy/env.sh", directory / "deploy/env.sh")
    done = subprocess.run(
        ["sh", "deploy/env.sh"],
        cwd=directory,
        env={"PATH": os.environ["PATH"], **settings},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
    )
    return dict(line.split("=", 1) for line in (directory / ".env").read_text().splitlines()), done.stdout


def test_the_file_is_as_the_specification_of_compose_says() -> None:
    schema = ("--builtin-schema", "vendor.compose-spec")
    command = [sys.executable, "-m", "check_jsonschema", *schema, str(COMPOSE_FILE)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_compose_itself_reads_it_as_these_tests_do(tmp_path: Path) -> None:
    if subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode:
        pytest.skip("docker compose is not installed")
    env, _ = made(tmp_path, CELERY="1")
    options = ["--env-file", str(tmp_path / ".env"), "--profile", "celery", "--profile", "demo"]
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("ASHARE", "AIRFLOW"))}
    done = subprocess.run(
        ["docker", "compose", "-f", str(COMPOSE_FILE), *options, "config", "--format", "json"],
        env=clean,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    theirs, ours = json.loads(done.stdout)["services"], services(env, ALL)
    assert theirs.keys() == ours.keys()
    for name, service in ours.items():
        # Compose prints what it would read again: a dollar twice.
        assert [word.replace("$$", "$") for word in theirs[name]["command"]] == service["command"], name
        assert dollars_once(theirs[name].get("environment", {})) == (service.get("environment") or {}), name
        assert theirs[name].get("healthcheck", {}).get("test", []) == [
            word.replace("$", "$$") for word in service.get("healthcheck", {}).get("test", [])
        ], name


def dollars_once(variables: dict[str, str | None]) -> dict[str, str | None]:
    return {name: value and value.replace("$$", "$") for name, value in variables.items()}


@pytest.mark.parametrize("name", SECRETS)
def test_without_a_secret_nothing_starts(name: str) -> None:
    services(ENV, ALL)
    with pytest.raises(ValueError, match=f"{name}: run `make env`"):
        services({**ENV, name: ""}, ALL)


def test_no_secret_is_in_the_file() -> None:
    document = yaml.safe_load(COMPOSE_FILE.read_text())
    for service in document["services"].values():
        for variable, value in (service.get("environment") or {}).items():
            if re.search(r"PASSWORD|SECRET|FERNET|REDISCLI_AUTH", variable):
                assert re.fullmatch(r"\$\{\w+(:\?.*)?\}", str(value)), variable
            assert not re.search(r"://[^$]*:[^$/@]+@", str(value)), variable


def test_only_the_ui_is_open_and_only_to_this_machine() -> None:
    ports = {name: service["ports"] for name, service in services(ENV, ALL).items() if "ports" in service}
    assert ports == {"api-server": ["127.0.0.1:8080:8080"]}
    others = services({**ENV, "PORT": "8081", "ASHARE_UI_HOST": "0.0.0.0"}, ALL)
    assert others["api-server"]["ports"] == ["0.0.0.0:8081:8080"]
    assert all("network_mode" not in service for service in others.values())


def test_what_runs_comes_back_by_itself_and_can_be_asked_whether_it_is_well() -> None:
    for name, service in services(ENV, ALL).items():
        assert service["restart"] == ("no" if name in ONE_SHOT else "unless-stopped"), name
        assert ("healthcheck" in service) == (name not in NOT_ASKED), name
        assert service["logging"]["options"]["max-size"], name  # or a disk is full some day


def test_data_are_in_named_volumes() -> None:
    document = yaml.safe_load(COMPOSE_FILE.read_text())
    mounted = {
        volume.partition(":")[0]
        for service in services(ENV, ALL).values()
        for volume in service.get("volumes", ())
        if not volume.startswith(".")
    }
    assert mounted == set(document["volumes"])
    # Since 18, the image of PostgreSQL keeps its data in a directory below this one.
    assert "postgres:/var/lib/postgresql" in services(ENV)["postgres"]["volumes"]


def test_the_executor_goes_with_the_workers() -> None:
    def executors(env: dict[str, str]) -> set[str]:
        found = (service.get("environment", {}) for service in services(env, ALL).values())
        return {variables["AIRFLOW__CORE__EXECUTOR"] for variables in found if "AIRFLOW__CORE__EXECUTOR" in variables}

    assert executors(ENV) == {"LocalExecutor"}
    assert executors({**ENV, "AIRFLOW_EXECUTOR": "CeleryExecutor"}) == {"CeleryExecutor"}
    assert not {"redis", "worker", "emulator"} & services(ENV).keys()


def test_every_setting_of_ours_is_handed_on() -> None:
    known = {f"ASHARE_{name.upper()}" for name in Settings.model_fields}
    environment: dict[str, Any] = services(ENV)["scheduler"]["environment"]
    assert known == {name for name in environment if name.startswith("ASHARE_")}
    assert all(environment[name] is None for name in known)


def test_every_variable_of_airflow_is_an_option_of_it() -> None:
    variables = {
        name
        for service in services(ENV, ALL).values()
        for name in service.get("environment") or {}
        if name.startswith("AIRFLOW__")
    }
    assert len(variables) > 20
    assert [name for name in sorted(variables) if not is_option(name)] == []


@pytest.mark.parametrize("days", ["0", "-1", "", "many"])
def test_the_cleaner_does_not_take_everything(days: str) -> None:
    """With a cutoff of now, Airflow would delete its DAGs, too."""
    done = subprocess.run(
        services(ENV)["cleaner"]["command"],
        env={"PATH": "/nowhere", "KEEP_DAYS": days},
        executable=shutil.which("bash"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert f"KEEP_DAYS is '{days}': it must be a whole number from 1 on." in done.stderr


def test_images_and_versions_are_those_of_the_package() -> None:
    dockerfile = (PROJECT / "Dockerfile").read_text()
    assert f"FROM apache/airflow:{pinned('apache-airflow')}\n" in dockerfile
    built = [service for service in services(ENV, ALL).values() if "build" in service]
    assert {service["image"] for service in built} == {f"ashare-sync:{version()}"}
    assert services(ENV)["postgres"]["image"] == "postgres:18"


def test_the_image_gets_the_package_and_nothing_else() -> None:
    lines = re.findall(r"^COPY --chown=airflow:root (.+) \S+$", (PROJECT / "Dockerfile").read_text(), re.MULTILINE)
    copied = {name for line in lines for name in line.split()}
    ignored = (PROJECT / ".dockerignore").read_text().split()
    assert ignored[0] == "*"  # .env, .git and backups among them
    assert {line.removeprefix("!") for line in ignored if line.startswith("!")} == copied
    assert all((PROJECT / name).exists() for name in copied)


def test_make_env_makes_what_is_needed_and_is_read_by_nobody_else(tmp_path: Path) -> None:
    env, said = made(tmp_path)
    assert set(env) == set(SECRETS)
    assert len(set(env.values())) == len(SECRETS)
    assert all(len(env[name]) >= 18 for name in SECRETS)
    assert all(re.fullmatch(r"[0-9a-f]+", env[name]) for name in SECRETS if name != "FERNET_KEY")  # safe in a URL
    from cryptography.fernet import Fernet

    Fernet(env["FERNET_KEY"])
    assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == 0o600
    assert env["ADMIN_PASSWORD"] not in said
    assert services(env, ALL)


def test_make_env_again_changes_nothing_and_adds_what_is_lacking(tmp_path: Path) -> None:
    env, _ = made(tmp_path)
    (tmp_path / ".env").open("a").write("ASHARE_MAX_LAG=2\n")
    again, said = made(tmp_path)
    assert again == {**env, "ASHARE_MAX_LAG": "2"}
    assert "was left as it is" in said

    text = (tmp_path / ".env").read_text().replace(f"JWT_SECRET={env['JWT_SECRET']}", "JWT_SECRET=")
    (tmp_path / ".env").write_text(text)
    mended, said = made(tmp_path, CELERY="1")
    assert "JWT_SECRET" in said
    assert mended["JWT_SECRET"]
    assert (mended["AIRFLOW_EXECUTOR"], mended["COMPOSE_PROFILES"]) == ("CeleryExecutor", "celery")
    assert {name: mended[name] for name in SECRETS if name != "JWT_SECRET"} == {
        name: env[name] for name in SECRETS if name != "JWT_SECRET"
    }


def test_make_env_says_when_a_line_is_in_the_way_of_the_workers(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("AIRFLOW_EXECUTOR=LocalExecutor\nCOMPOSE_PROFILES=celery,demo\n")
    env, said = made(tmp_path, CELERY="1")
    assert env["AIRFLOW_EXECUTOR"] == "LocalExecutor"  # it may be meant
    assert said.startswith("For workers, .env needs the line AIRFLOW_EXECUTOR=CeleryExecutor: change the one")
    assert "COMPOSE_PROFILES" not in said


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("$$HOME ${A} ${B}", "$HOME a "),
        ("${A:-x} ${B:-x} ${B:-${A}/y} ${B:-}", "a x a/y "),
        ("${A:?say}", "a"),
    ],
)
def test_variables_are_filled_in_as_compose_does(text: str, filled: str) -> None:
    assert interpolate(text, {"A": "a"}) == filled
