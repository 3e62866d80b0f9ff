"""The units in `deploy/systemd`: systemd takes them, and what they start exists."""

from __future__ import annotations

import configparser
import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ashare.command import main as ashare_command
from ashare_local import PROJECT, components
from tests.airflow_script import run_script
from tests.deployed import is_option

FOLDER = PROJECT / "deploy" / "systemd"
UNITS = {file.name: file for file in sorted(FOLDER.iterdir()) if file.suffix in (".service", ".target")}
EXAMPLE = (FOLDER / "environment.example").read_text(encoding="utf-8")
INSTALLED, CHECKOUT = "%h/ashare/bin/", "%h/ashare-sync/"
PARSED = """
import shlex, sys
from airflow.cli.cli_parser import get_parser
for command in sys.argv[1:]:
    print(get_parser().parse_args(shlex.split(command)).subcommand)
"""


def commands(unit: str) -> list[list[str]]:
    return [shlex.split(line) for line in re.findall(r"^ExecStart=(.+)$", UNITS[unit].read_text(), re.MULTILINE)]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_takes_every_unit(tmp_path: Path) -> None:
    """In a home that has what the units start."""
    for folder in ("ashare/bin", "ashare-sync/.venv/bin"):
        (tmp_path / folder).mkdir(parents=True)
        for program in ("airflow", "ashare", "python"):
            (tmp_path / folder / program).symlink_to(sys.executable)
    copies = [shutil.copy(file, tmp_path) for file in UNITS.values()]
    verified = subprocess.run(
        ["systemd-analyze", "--user", "--man=no", "verify", *copies],
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    ours = [line for line in verified.stderr.splitlines() if str(tmp_path) in line or "ashare" in line]
    assert (verified.returncode, ours) == (0, []), verified.stderr


def test_the_services_are_the_processes_of_make_up() -> None:
    target = UNITS["ashare.target"].read_text()
    wanted = re.search(r"^Wants=(.+)$", target, re.MULTILINE)
    assert wanted is not None
    airflow = {components.API_SERVER, components.SCHEDULER, components.DAG_PROCESSOR, components.TRIGGERER}
    assert set(wanted[1].split()) == {f"ashare-{name}.service" for name in airflow}
    others = {"ashare.target", "ashare-prepare.service", "ashare-stack.service"}
    assert set(UNITS) - others == set(wanted[1].split())
    for name in airflow:
        (command,) = commands(f"ashare-{name}.service")
        assert command[:2] == [f"{INSTALLED}airflow", name]


@pytest.mark.parametrize("unit", [unit for unit in UNITS if commands(unit)])
def test_every_program_and_module_exists(unit: str) -> None:
    for program, *arguments in commands(unit):
        if arguments[:1] == ["-m"]:
            assert Path(program).name == "python"
            assert importlib.util.find_spec(arguments[1]), arguments
        elif program == f"{INSTALLED}ashare":
            assert f'\nashare = "{ashare_command.__module__}:main"\n' in (PROJECT / "pyproject.toml").read_text()
            with pytest.raises(SystemExit) as ended:
                ashare_command([*arguments, "--help"])
            assert ended.value.code == 0
        else:
            assert program == f"{INSTALLED}airflow"


def test_airflow_has_every_command(tmp_path: Path) -> None:
    arguments = [given for unit in UNITS for program, *given in commands(unit) if program == f"{INSTALLED}airflow"]
    assert len(arguments) == 4
    parsed = run_script(tmp_path, PARSED, *map(shlex.join, arguments))
    assert parsed.stdout.split() == [command for command, *_ in arguments]


def test_the_checkout_has_what_its_service_names() -> None:
    text = UNITS["ashare-stack.service"].read_text()
    named = re.findall(rf"{CHECKOUT}([\w./-]+)", text)
    assert named
    for path in named:
        assert (PROJECT / path).exists(), path


def test_every_service_reads_the_settings_and_is_stopped_with_the_target() -> None:
    for name, file in UNITS.items():
        unit = configparser.RawConfigParser(strict=False)
        unit.read(file)
        if name.endswith(".service"):
            assert unit["Service"]["EnvironmentFile"].lstrip("-") == "%h/.config/ashare/environment"
            assert unit["Service"]["UMask"] == "0077"
            assert unit["Service"]["Restart"] in ("always", "on-failure")
            assert name == "ashare-stack.service" or unit["Unit"]["PartOf"] == "ashare.target"


def test_the_example_sets_airflows_options_and_has_no_secret() -> None:
    lines = [line for line in EXAMPLE.splitlines() if line and not line.startswith("#")]
    variables = dict(line.split("=", 1) for line in lines)
    assert len(variables) == len(lines)
    for name, value in variables.items():
        if name.startswith("AIRFLOW__"):
            assert is_option(name), name
        if re.search(r"KEY|SECRET|SQL_ALCHEMY|ASHARE_POSTGRES", name):
            assert value == "", f"{name} is for the user to fill in"
    assert {"AIRFLOW_CONN_ASHARE_POSTGRES", "AIRFLOW_CONN_BAOSTOCK", "AIRFLOW__CORE__FERNET_KEY"} <= set(variables)
