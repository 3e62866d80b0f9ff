"""What the documents promise, through a real scheduler: these tests build on each other, in their order."""

from __future__ import annotations

import os
import random
import re
import signal
import threading
import time
from datetime import date
from functools import partial
from itertools import pairwise
from typing import Any
from urllib.parse import quote

from ashare.settings import DEFAULT_INDICES
from ashare_emulator.faults import fault
from ashare_emulator.generated import GeneratedMarket
from ashare_emulator.market import COLUMNS
from ashare_emulator.server import Emulator
from tests.e2e.conftest import Api, Cli, Query
from tests.listener import Listener
from tests.waiting import until

WEEK = ("-s", "2025-09-30", "-e", "2025-10-10")
OPEN = ("2025-09-30", "2025-10-09", "2025-10-10")
CLOSED = ("2025-10-01", "2025-10-02", "2025-10-03", "2025-10-06", "2025-10-07", "2025-10-08")
MARKET = "query_daily_history_k_AStock"


def snapshot(query: Query) -> list[tuple[Any, ...]]:
    return query("SELECT trade_date::text, code, close, volume, loaded_at FROM ashare.daily_bar ORDER BY 1, 2")


def test_a_week_with_a_holiday_arrives_exactly(
    backfill: Cli, query: Query, source: Emulator, big_market: GeneratedMarket
) -> None:
    done = backfill(*WEEK, "ashare_daily")
    assert done.code == 0, done.out + done.err
    for day in OPEN:
        assert re.search(rf"{day}\s+success", done.out), done.out
    for day in CLOSED:
        assert re.search(rf"{day}\s+skipped", done.out), done.out

    states = query("SELECT trade_date::text, status, expected = loaded, missing FROM ashare.sync_status ORDER BY 1")
    assert states == sorted(
        [(day, "success", True, 0) for day in OPEN] + [(day, "skipped", None, None) for day in CLOSED]
    )
    for opened in map(date.fromisoformat, OPEN):
        bars = big_market.bars_on(opened, "stock")
        bars += [row for code in DEFAULT_INDICES for row in big_market.bars_of(code, opened, opened)]
        at = [COLUMNS.index(name) for name in ("code", "close", "volume")]
        expected = sorted((row[at[0]], row[at[1]], row[at[2]] or None) for row in bars)
        found = query(
            "SELECT code, close::text, volume::text FROM ashare.daily_bar WHERE trade_date = %s ORDER BY 1", opened
        )
        assert found == expected
        assert len(found) > 5000


def test_one_connection_at_a_time_and_few_requests(source: Emulator, query: Query) -> None:
    assert source.overlaps() == []
    assert query("SELECT count(*) FROM ashare.source_request") == [(source.count(),)]
    assert source.count(MARKET) == len(OPEN)
    assert max(count for (count,) in query("SELECT requests FROM ashare.sync_status WHERE status = 'success'")) <= 30


def test_the_same_again_fetches_nothing_and_changes_nothing(backfill: Cli, query: Query, source: Emulator) -> None:
    before, asked = snapshot(query), source.count()
    done = backfill(*WEEK, "--reset-dagruns", "ashare_daily")
    assert done.code == 0, done.out + done.err
    assert source.count() == asked
    assert snapshot(query) == before


def test_exactly_the_deleted_rows_come_back(backfill: Cli, query: Query) -> None:
    before = snapshot(query)
    gone = random.Random(1).sample([row[:2] for row in before if row[0] in OPEN], 60)
    for day, code in gone:
        query("DELETE FROM ashare.daily_bar WHERE trade_date = %s AND code = %s", day, code)
    done = backfill(*WEEK, "--reset-dagruns", "ashare_daily")
    assert done.code == 0, done.out + done.err
    after = snapshot(query)
    assert [row[:4] for row in after] == [row[:4] for row in before]
    written = {new[:2] for old, new in zip(before, after, strict=True) if old[4] != new[4]}
    assert written == set(gone)


def test_a_red_date_says_why_and_a_rerun_mends_it(backfill: Cli, query: Query, source: Emulator) -> None:
    source.add_fault(fault(MARKET, "error", times=0, code="10001006", message="用户权限不足"))
    day = ("-s", "2025-10-13", "-e", "2025-10-13")
    done = backfill(*day, "ashare_daily")
    source.clear_faults()
    assert done.code == 1, done.out + done.err
    assert "10001006" in done.out
    ((state, reason),) = query("SELECT status, reason FROM ashare.sync_status WHERE trade_date = '2025-10-13'")
    assert state == "failed"
    assert "10001006 (用户权限不足)" in reason
    # A refusal is not asked about again: retries would make it worse.
    asked = [r for r in source.requests if r.method == MARKET and r.error_code == "10001006"]
    assert len(asked) == 1

    again = backfill(*day, "--rerun-failed-tasks", "ashare_daily")
    assert again.code == 0, again.out + again.err
    assert query("SELECT status, missing FROM ashare.sync_status WHERE trade_date = '2025-10-13'") == [("success", 0)]


def test_a_ban_is_waited_out_without_a_worker_or_a_try(
    backfill: Cli, api: Api, query: Query, source: Emulator
) -> None:
    """As if Baostock had banned the address six hours ago, but for some seconds."""
    query(
        "INSERT INTO ashare.source_request (requested_at, method, detail, who, outcome, seconds) VALUES "
        "(clock_timestamp() - interval '6 hours' + interval '25 seconds', 'login', '', 'somebody', '10001011', 0)"
    )
    query("UPDATE ashare.counted_partition SET problem = 'doubted' WHERE partition = '2025-10-28'")
    before = source.count()
    run = api("POST", "/api/v2/dags/ashare_daily/dagRuns", {"logical_date": None, "partition_key": "2025-10-28"})
    path = f"/api/v2/dags/ashare_daily/dagRuns/{run['dag_run_id']}/taskInstances"
    until(
        lambda: [task["state"] for task in api("GET", path)["task_instances"]],
        lambda states: "up_for_reschedule" in states and not {"running", "queued", "scheduled"} & set(states),
    )
    ((state, reason),) = query("SELECT status, reason FROM ashare.sync_status WHERE trade_date = '2025-10-28'")
    assert state == "syncing"
    assert "10001011, ban 1 of the year" in reason
    assert "nothing is sent until" in reason
    assert source.count() == before

    # A person who backfills meanwhile is told.
    done = backfill("-s", "2025-10-29", "-e", "2025-10-29", "ashare_daily")
    assert done.code == 0, done.out + done.err
    assert wait_for_run(api, run["dag_run_id"])["state"] == "success"
    tries = [task["try_number"] for task in api("GET", path)["task_instances"]]
    assert set(tries) == {1}
    query("DELETE FROM ashare.source_request WHERE outcome = '10001011'")


def wait_for_run(api: Api, run_id: str) -> dict[str, Any]:
    deadline = time.monotonic() + 120
    while True:
        run: dict[str, Any] = api("GET", f"/api/v2/dags/ashare_daily/dagRuns/{run_id}")
        if run["state"] in ("success", "failed"):
            return run
        assert time.monotonic() < deadline, run
        time.sleep(0.5)


def trigger(api: Api, **body: Any) -> dict[str, Any]:
    run = api("POST", "/api/v2/dags/ashare_daily/dagRuns", {"logical_date": None, **body})
    return wait_for_run(api, run["dag_run_id"])


def test_a_run_by_hand_takes_its_date_from_the_key_or_the_param(api: Api, query: Query) -> None:
    assert trigger(api, partition_key="2025-10-14")["state"] == "success"
    assert trigger(api, conf={"trade_date": "2025-10-15", "kinds": ["index"]})["state"] == "success"
    states = query(
        "SELECT trade_date::text, status, kinds FROM ashare.sync_status "
        "WHERE trade_date IN ('2025-10-14', '2025-10-15')"
    )
    assert sorted(states) == [
        ("2025-10-14", "success", ["stock", "index"]),
        ("2025-10-15", "success", ["index"]),
    ]


def test_a_wrong_date_fails_early_with_a_sentence(api: Api, query: Query) -> None:
    run = trigger(api, conf={"trade_date": "1990-01-01"})
    assert run["state"] == "failed"
    path = f"/api/v2/dags/ashare_daily/dagRuns/{run['dag_run_id']}/taskInstances"
    tries = {task["task_id"]: task["try_number"] for task in api("GET", path)["task_instances"]}
    assert tries["wait_for_trading_day"] == 1  # what a person has to mend is not tried again
    log = api("GET", f"{path}/wait_for_trading_day/logs/1?full_content=true")
    assert "before 1990-12-19, the first session" in str(log)
    assert query("SELECT count(*) FROM ashare.sync_status WHERE trade_date < '1991-01-01'") == [(0,)]


def test_a_param_that_does_not_exist_is_refused_and_nothing_is_asked(
    api: Api, source: Emulator, listener: Listener
) -> None:
    asked, told = source.count(), len(listener.messages)
    for dag_id, name in (("ashare_history", "yeras"), ("ashare_daily", "kind")):
        body = {"logical_date": None, "conf": {name: 1}}
        run = api("POST", f"/api/v2/dags/{dag_id}/dagRuns", body)
        path = f"/api/v2/dags/{dag_id}/dagRuns/{quote(run['dag_run_id'])}"
        ended = until(partial(api, "GET", path), lambda found: found["state"] == "failed")
        assert ended["note"].startswith(f"{dag_id} has no param '{name}' (did you mean '")
        tasks = api("GET", f"{path}/taskInstances")["task_instances"]
        assert {task["state"] for task in tasks} == {None}
    assert (source.count(), len(listener.messages)) == (asked, told)


def test_batches_are_named_in_the_ui(api: Api) -> None:
    runs = api("GET", "/api/v2/dags/ashare_daily/dagRuns?limit=100&run_type=backfill")["dag_runs"]
    run_id = next(run["dag_run_id"] for run in runs if run["partition_key"] == "2025-09-30")
    path = f"/api/v2/dags/ashare_daily/dagRuns/{run_id}/taskInstances/fetch_and_copy/listMapped"
    names = [task["rendered_map_index"] for task in api("GET", path)["task_instances"]]
    assert names
    assert all(re.fullmatch(r"(stocks|indices) (2025-09-30, whole market|\d+-\d+)", name) for name in names)


def test_events_of_the_asset_carry_the_trade_date_and_closed_days_have_none(api: Api) -> None:
    events = api("GET", "/api/v2/assets/events?limit=100")["asset_events"]
    keys = {event["partition_key"] for event in events if event["name"] == "ashare_daily_bar"}
    assert set(OPEN) <= keys
    assert not set(CLOSED) & keys


def test_events_of_each_datasets_asset_say_how_many_rows_the_date_has(api: Api, query: Query) -> None:
    events = api("GET", "/api/v2/assets/events?source_dag_id=ashare_daily&limit=100")["asset_events"]
    newest = {(event["name"], event["partition_key"]): event["extra"] for event in reversed(events)}
    for name in ("stock_bar", "index_bar", "adjust_factor"):
        for day in OPEN:
            ((loaded,),) = query(
                "SELECT loaded FROM ashare.coverage WHERE dataset = %s AND partition = %s", name, day
            )
            extra = newest[f"ashare_{name}", day]
            assert (extra["rows"], extra["missing"]) == (loaded, 0)


def tasks_of(api: Api, run_id: str) -> list[dict[str, Any]]:
    path = f"/api/v2/dags/ashare_daily/dagRuns/{run_id}/taskInstances"
    found: list[dict[str, Any]] = api("GET", path)["task_instances"]
    return found


def test_a_daily_run_and_a_backfill_at_once_share_the_one_connection(
    backfill: Cli, api: Api, query: Query, source: Emulator
) -> None:
    source.add_fault(fault("*", "delay", times=0, seconds=0.3))  # or they would hardly meet
    done: list[Any] = []
    dates = ("2025-09-15", "2025-09-16", "2025-09-17", "2025-09-18", "2025-09-19")
    beside = threading.Thread(target=lambda: done.append(backfill("-s", dates[0], "-e", dates[-1], "ashare_daily")))
    beside.start()
    try:
        until(lambda: query("SELECT count(*) FROM ashare.sync_status WHERE trade_date = %s", dates[0]), [(1,)].__eq__)
        by_hand = trigger(api, partition_key="2025-10-30")
    finally:
        beside.join()
        source.clear_faults()
    assert by_hand["state"] == "success"
    assert done[0].code == 0, done[0].out + done[0].err
    assert source.overlaps() == []

    # Several worker processes were at it at once, and at the lock together.
    runs = api("GET", "/api/v2/dags/ashare_daily/dagRuns?limit=200&order_by=-id")["dag_runs"]
    mine = [run["dag_run_id"] for run in runs if run["partition_key"] in (*dates, "2025-10-30")]
    fetches = [
        task
        for run_id in mine
        for task in tasks_of(api, run_id)
        if task["task_id"] == "fetch_and_copy" and task["pid"]
    ]
    assert len({task["pid"] for task in fetches}) >= 6
    by_run = {run_id: {t["priority_weight"] for t in fetches if t["dag_run_id"] == run_id} for run_id in mine}
    ahead = by_run.pop(by_hand["dag_run_id"])
    assert min(ahead) > max(weight for weights in by_run.values() for weight in weights)
    ends = sorted((task["start_date"], task["end_date"]) for task in fetches)
    assert any(later[0] < earlier[1] for earlier, later in pairwise(ends))


def test_a_task_that_is_killed_is_done_again_and_its_lock_is_free_at_once(
    api: Api, query: Query, source: Emulator, big_market: GeneratedMarket
) -> None:
    source.add_fault(fault(MARKET, "delay", seconds=20))
    day = date(2025, 9, 22)
    run = api("POST", "/api/v2/dags/ashare_daily/dagRuns", {"logical_date": None, "partition_key": str(day)})
    asked = "SELECT who FROM ashare.source_request WHERE method = %s AND outcome IS NULL"
    until(lambda: query(asked, MARKET), bool)
    holding = [task["pid"] for task in tasks_of(api, run["dag_run_id"]) if task["state"] == "running" and task["pid"]]
    for pid in holding:
        os.kill(pid, signal.SIGKILL)
    killed_at = time.monotonic()
    assert wait_for_run(api, run["dag_run_id"])["state"] == "success"
    assert time.monotonic() - killed_at < 60  # neither the reply nor any time limit was waited for
    assert source.overlaps() == []
    assert query("SELECT status, missing FROM ashare.sync_status WHERE trade_date = %s", day) == [("success", 0)]
    found = query(
        "SELECT code, close::text FROM ashare.daily_bar b JOIN ashare.security s USING (code) "
        "WHERE trade_date = %s AND s.kind = 'stock' ORDER BY 1",
        day,
    )
    at = [COLUMNS.index(name) for name in ("code", "close")]
    assert found == sorted(tuple(row[i] for i in at) for row in big_market.bars_on(day, "stock"))
