"""The command ``ashare`` at a prompt without Airflow's connections."""

from __future__ import annotations

from importlib.metadata import EntryPoint, EntryPoints

import pytest

from ashare import __version__, command
from ashare.environment import Environment


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ASHARE_POSTGRES", "BAOSTOCK", "ASHARE_ALERTS"):
        monkeypatch.delenv(f"AIRFLOW_CONN_{name}", raising=False)


def further(monkeypatch: pytest.MonkeyPatch, **commands: str) -> None:
    found = [EntryPoint(name, value, command.COMMANDS) for name, value in commands.items()]

    def entry_points(*, group: str) -> EntryPoints:
        return EntryPoints(found if group == command.COMMANDS else ())

    monkeypatch.setattr(command, "entry_points", entry_points)


@pytest.mark.parametrize("name", command.BUILT_IN)
def test_every_command_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        command.main([name, "--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert text.startswith(f"usage: ashare {name}")
    assert len(text.split()) > 20


def test_the_commands_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.main(["--help"])
    text = capsys.readouterr().out
    for name, known in command.BUILT_IN.items():
        assert f"  {name:<10}{known.summary}\n" in text


def test_the_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.main(["--version"])
    assert capsys.readouterr().out == f"A-share sync {__version__}\n"


@pytest.mark.parametrize(("arguments", "words"), [(["doktor"], "invalid choice: 'doktor'"), ([], "COMMAND")])
def test_a_wrong_command_is_refused(arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        command.main(arguments)
    assert ended.value.code == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["migrate"], ["export", "bars"], ["accept", "--list"]])
def test_a_missing_connection_is_named(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(arguments, Environment()) == 2
    assert capsys.readouterr().err == (
        "The connection 'ashare_postgres' is not set: set AIRFLOW_CONN_ASHARE_POSTGRES, for example to "
        "postgresql://user:password@host:5432/ashare.\n"
    )


def test_another_packages_command_gets_its_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    further(monkeypatch, count="builtins:len")
    assert command.main(["count", "1", "--help", "3"]) == 3


def test_a_command_whose_extra_is_not_installed_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    further(monkeypatch, emulator="no_such_module.command:main")
    assert command.main(["emulator", "serve"]) == 2
    assert capsys.readouterr().err == (
        "`ashare emulator` needs the module no_such_module, which is not installed: "
        "pip install 'ashare-sync[emulator]'.\n"
    )
