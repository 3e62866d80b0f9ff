"""The Grafana dashboard: its SQL runs as the user of deploy/README.md, and its metrics are those that runs send."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import psycopg
import pytest
import yaml  # type: ignore[import-untyped]

from ashare import metrics
from ashare.dates import SHANGHAI
from ashare.store.rows import MergeCounts
from ashare_airflow.report import run_metrics
from ashare_local import PROJECT
from tests.conftest import Database, MakeRun
from tests.integration.trade_date import complete

FOLDER = PROJECT / "deploy" / "grafana"
DASHBOARD: dict[str, Any] = json.loads((FOLDER / "ashare.json").read_text(encoding="utf-8"))
MAPPINGS: list[dict[str, Any]] = yaml.safe_load((FOLDER / "statsd-mapping.yaml").read_text(encoding="utf-8"))[
    "mappings"
]
PANELS: list[dict[str, Any]] = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
QUERIES = {panel["title"]: target for panel in PANELS for target in panel["targets"] if "rawSql" in target}
EXPRESSIONS = [target["expr"] for panel in PANELS for target in panel["targets"] if "expr" in target]
DAY = "2025-10-09"
RANGE = {"$__timeFrom()": "'2025-09-25T00:00:00Z'", "$__timeTo()": "'2025-11-03T16:00:00Z'"}
"""Grafana replaces its macros by the ends of the chosen range, like this."""
TROUBLES = """
INSERT INTO ashare.work (dataset, partition, run_id, error, ended_at)
VALUES ('stock_bar', '2025-10-10', 'a run', 'No bars.', now());
INSERT INTO ashare.alert (subject, about, run_id, title, text, end_title) VALUES ('x', 'run', 'r', 't', 'x', 'e');
UPDATE ashare.cross_check SET passed = false, deviating = allowed + 1 WHERE rule = 'pct_chg';
UPDATE ashare.source_request SET requested_at = '2025-11-03 18:00+08';
UPDATE ashare.source_request SET outcome = 'SourceDropped' WHERE method = 'login';
INSERT INTO ashare.snapshot (dataset, as_of, rows, update_date, run_id)
VALUES ('industry', '2025-10-06', 1, '2025-10-06', 'r');
"""
"""So that every panel has something to show."""


@pytest.fixture
def reader(database: Database, make_run: MakeRun) -> Iterator[psycopg.Connection[Any]]:
    """A session of the user that deploy/README.md makes, in a database with a complete date."""
    complete(make_run(DAY))
    for statement in TROUBLES.strip().split(";\n"):
        database.do(statement)
    readme = (PROJECT / "deploy" / "README.md").read_text(encoding="utf-8")
    (grants,) = re.findall(r"```sql\n(.*?CREATE ROLE grafana.*?)```", readme, re.DOTALL)
    role = f"grafana_{database.name}"
    for statement in (
        re.sub(r"\bgrafana\b", role, grants).replace("DATABASE ashare", f"DATABASE {database.name}").split(";")
    ):
        if statement.strip():
            database.do(statement)
    try:
        with database.connect() as connection:
            connection.execute(f"SET ROLE {role}")
            yield connection
    finally:
        database.do(f"DROP OWNED BY {role}")
        database.do(f"DROP ROLE {role}")


def test_every_statement_runs_and_shows_what_it_should(reader: psycopg.Connection[Any]) -> None:
    assert len(QUERIES) >= 12
    for title, target in QUERIES.items():
        statement = target["rawSql"]
        for macro, value in RANGE.items():
            statement = statement.replace(macro, value)
        assert "$" not in statement, title
        found = reader.execute(statement)
        assert found.description is not None
        columns = {column.name: column.type_display for column in found.description}
        rows = found.fetchall()
        assert rows and any(value is not None for value in rows[0]), title
        if target["format"] == "time_series":
            assert columns.pop("time") == "timestamptz", title
            assert columns and set(columns.values()) <= {"int4", "int8", "float8"}, (title, columns)


def test_the_user_may_only_read(reader: psycopg.Connection[Any]) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        reader.execute("DELETE FROM ashare.daily_bar")


def test_the_figures_are_those_of_the_database(reader: psycopg.Connection[Any]) -> None:
    statement = QUERIES["Bars of each trade date"]["rawSql"]
    for macro, value in RANGE.items():
        statement = statement.replace(macro, value)
    found = {moment.astimezone(SHANGHAI).date(): figures for moment, *figures in reader.execute(statement).fetchall()}
    expected, loaded = found[date.fromisoformat(DAY)]
    ((bars,),) = reader.execute("SELECT count(*) FROM ashare.daily_bar WHERE trade_date = %s", [DAY]).fetchall()
    assert expected == loaded == bars > 300


class Recorder:
    """Airflow's metrics client: the names that are sent, by StatsD's types."""

    def __init__(self) -> None:
        self.sent: dict[str, str] = {}

    def incr(self, stat: str, count: int | None = None) -> None:
        self.sent[stat] = "counter"

    def gauge(self, stat: str, value: float) -> None:
        self.sent[stat] = "gauge"

    def timing(self, stat: str, dt: timedelta) -> None:
        self.sent[stat] = "timer"


def tasks() -> set[str]:
    """The ids of the DAGs' tasks: functions under ``@task``, and sensors."""
    found = set()
    for file in (PROJECT / "dags").glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and any("task" in ast.unparse(one) for one in node.decorator_list):
                found.add(node.name)
            elif isinstance(node, ast.keyword) and node.arg == "task_id":
                found.add(ast.literal_eval(node.value))
    return found


@pytest.fixture
def sent(make_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """All metrics of a trade date's run, sent by the package's own functions."""
    recorder = Recorder()
    monkeypatch.setattr(run_metrics, "_client", lambda: recorder)
    run = make_run(DAY, who="a task")
    with run_metrics.task_measured(run.store, "fetch_and_copy", run.who), run.session() as session:
        session.security_basics()
    complete(run)
    run_metrics.row_counts(MergeCounts(1, 2, 3))
    metrics.date_recorded(recorder, run.store, run.day)
    assert len(recorder.sent) == 11
    return recorder.sent


def exported(sent: dict[str, str]) -> dict[str, set[str]]:
    """What statsd_exporter makes of them by the mapping: the labels of each series."""
    series: dict[str, set[str]] = {}
    for name, kind in sent.items():
        for rule in MAPPINGS:
            pattern = re.escape(rule["match"]).replace(r"\*", r"([^.]*)")
            if matched := re.fullmatch(pattern, f"airflow.{name}"):
                renamed = matched.expand(rule["name"].replace("$", "\\"))
                ends = ("", "_sum", "_count") if kind == "timer" else ("",)
                for end in ends:
                    series.setdefault(renamed + end, set()).update(rule.get("labels", {}))
                break
        else:
            raise AssertionError(f"no rule for {name}")
    return series


def test_every_series_is_one_that_runs_send(sent: dict[str, str]) -> None:
    series = exported(sent)
    assert len(EXPRESSIONS) >= 5
    for expression in EXPRESSIONS:
        for name in re.findall(r"\bashare_\w+", expression):
            assert name in series, expression
            for labels in re.findall(r"by \((\w+)\)", expression):
                assert labels in series[name], expression


def test_the_document_names_every_metric(sent: dict[str, str]) -> None:
    """docs/operations.md lists what is sent, with the tasks of all DAGs."""
    text = (
        (PROJECT / "docs/operations.md")
        .read_text(encoding="utf-8")
        .partition("\n## Metrics\n")[2]
        .partition("\n## ")[0]
    )
    listed: set[str] = set()
    for row in re.findall(r"^\| (`.+?) \|", text, re.MULTILINE):
        first, *others = re.findall(r"`([^`]+)`", row)
        listed |= {first, *(first.rpartition(".")[0] + other for other in others)}
    tasks_measured = {f"ashare.seconds.{task}" for task in tasks() - {"export_lake"}}
    assert listed == set(sent) | tasks_measured


def test_panels_do_not_overlap_and_name_their_data_source() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24, panel["title"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells
    chosen = {f"${{{variable['name']}}}": variable["query"] for variable in DASHBOARD["templating"]["list"]}
    for panel in PANELS:
        for source in (panel["datasource"], *(target["datasource"] for target in panel["targets"])):
            assert chosen[source["uid"]] == source["type"], panel["title"]
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
