"""The values for Airflow's Helm chart: what can be held against the package without Helm and without a cluster."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from tests.deployed import options, pinned, version

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "deploy" / "helm-values.yaml").read_text(encoding="utf-8")
README = (ROOT / "deploy" / "README.md").read_text(encoding="utf-8")
SECRETS = {"ashare-airflow", "ashare-connections"}
VALUES: dict[str, Any] = yaml.safe_load(TEXT)


class _NoDuplicates(yaml.SafeLoader):  # type: ignore[misc]
    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value]
        assert len(keys) == len(set(keys)), f"a key twice, in line {node.start_mark.line + 1}: {keys}"
        return super().construct_mapping(node, deep)  # type: ignore[no-any-return]


def _leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, (*path, str(key)))
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner, path)
    else:
        yield path, value


def test_no_key_is_there_twice() -> None:
    yaml.load(TEXT, _NoDuplicates)  # the last one would win, silently


def test_versions_are_the_packages() -> None:
    assert VALUES["defaultAirflowTag"] == version()
    assert set(re.findall(r"/ashare-sync:([\w.-]*\w)", README)) == {version()}
    assert VALUES["airflowVersion"] == pinned("apache-airflow")


def test_head_comment_and_readme_install_the_same_chart() -> None:
    assert set(re.findall(r"--version (\S+)", TEXT + README)) == {"1.22.0"}
    for text in (TEXT, README):
        assert "helm repo add apache-airflow https://airflow.apache.org\n" in text
        assert "helm upgrade --install ashare apache-airflow/airflow" in text


def test_secrets_are_only_named() -> None:
    for path, value in _leaves(VALUES):
        key = path[-1].lower()
        if re.search(r"pass(word)?$|fernet|jwt|token|credential|secret(key|name)?$", key) and path != (
            "secret",
            "secretKey",
        ):
            assert value in SECRETS, path
        assert not re.search(r"://[^/\s]*@", str(value)), f"a login in {path}"
        if not str(value).startswith("AIRFLOW__"):
            assert not re.search(r"[\w+/=-]{32,}", str(value)), f"a key in {path}"
    named = set(re.findall(r"name: (ashare-\S+)", VALUES["extraEnvFrom"])) | {VALUES["data"]["metadataSecretName"]}
    assert named == SECRETS == set(re.findall(r"create secret generic (\S+)", README))


def test_the_readme_makes_the_keys_that_the_chart_reads() -> None:
    made = {
        name: set(re.findall(r"--from-literal=([\w-]+)=", block))
        for name, block in re.findall(r"create secret generic (\S+) \\\n((?:\s+--from-literal=.*\n)+)", README)
    }
    assert made["ashare-airflow"] == {"connection", "fernet-key", "api-secret-key", "jwt-secret"}
    assert {"AIRFLOW_CONN_ASHARE_POSTGRES", "AIRFLOW_CONN_BAOSTOCK"} <= made["ashare-connections"]
    assert {entry["secretKey"] for entry in VALUES["secret"]} <= made["ashare-airflow"]


def test_no_default_password_is_left_on() -> None:
    assert VALUES["createUserJob"]["enabled"] is False
    assert VALUES["postgresql"]["enabled"] is False
    for name in ("fernetKeySecretName", "apiSecretKeySecretName", "jwtSecretName"):
        assert VALUES[name] in SECRETS


def test_the_package_keeps_its_local_settings() -> None:
    assert "airflowLocalSettings" in VALUES  # left out, the chart's own is mounted before ours
    assert VALUES["airflowLocalSettings"] is None
    assert (ROOT / "plugins" / "airflow_local_settings.py").is_file()


def test_commands_exist() -> None:
    shell, option, command = VALUES["migrateDatabaseJob"]["args"]
    assert (shell, option) == ("bash", "-c")
    assert command.startswith("airflow db migrate && ")
    assert "exec ashare migrate" in command
    for module in set(re.findall(r"python -m ([\w.]+)", TEXT + README)):
        assert importlib.util.find_spec(module), module


def test_the_job_gets_our_connections_and_waits_for_nobody() -> None:
    job = VALUES["migrateDatabaseJob"]
    assert job["applyCustomEnv"] is True
    assert job["useHelmHooks"] is False  # with --wait, a hook waits for pods that wait for it


@pytest.mark.parametrize(
    ("section", "option"),
    sorted(
        {(section, option) for section, chosen in VALUES["config"].items() for option in chosen}
        | {
            (section.lower(), option.lower())
            for section, option in re.findall(r"\bAIRFLOW__([A-Z0-9]+(?:_[A-Z0-9]+)*)__([A-Z0-9_]+)", TEXT)
        }
    ),
)
def test_every_option_is_airflows(section: str, option: str) -> None:
    assert option in options().get(section, set())


def test_no_setting_is_a_template_or_of_another_type_than_text() -> None:
    for path, value in _leaves(VALUES["config"]):
        assert isinstance(value, str), path  # as in airflow.cfg; a bare False would be written as Helm likes
        assert "{{" not in value, path


def test_the_pool_fits_into_parallelism() -> None:
    from ashare.settings import POOL_SLOTS

    assert int(VALUES["config"]["core"]["parallelism"]) > POOL_SLOTS
    assert int(VALUES["config"]["kubernetes_executor"]["worker_pods_creation_batch_size"]) == POOL_SLOTS


def test_logs_outlive_the_pods_and_nobody_deletes_them_early() -> None:
    assert VALUES["logs"]["persistence"]["enabled"] is True
    days = {VALUES[part]["logGroomerSidecar"]["retentionDays"] for part in ("scheduler", "dagProcessor", "triggerer")}
    assert days == {VALUES["databaseCleanup"]["retentionDays"]}  # a run and its log end together
