"""The sync-status API beside a running Airflow: who may, what is refused and how, and a sync from start to end."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import quote

import pytest

from ashare_emulator.faults import fault
from ashare_emulator.server import Emulator
from ashare_local.stack import Stack
from tests.e2e.conftest import Api, Query, without_pool
from tests.waiting import until

API = "/ashare/api/v1/sync-status/"
MARKET = "query_daily_history_k_AStock"
COOKIE = "_token"


class Answer(NamedTuple):
    code: int
    body: Any
    headers: dict[str, str]

    @property
    def sentence(self) -> str:
        """Of a refusal; the same in both of its fields."""
        assert self.body["message"] == self.body["detail"]
        return str(self.body["message"])


Ask = Callable[..., Answer]


@pytest.fixture(scope="module")
def ask(stack: Stack) -> Ask:
    """Send a request as it is, without any credentials but those that are given."""

    def send(method: str, path: str, body: object = None, **headers: str) -> Answer:
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{stack.port}{path}", data=data, method=method)
        if data:
            request.add_header("Content-Type", "application/json")
        for name, value in headers.items():
            request.add_header(name.replace("_", "-"), value)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            reply = opener.open(request, timeout=60)
        except urllib.error.HTTPError as refused:
            reply = refused
        with reply:
            text = reply.read().decode()
            is_json = "json" in reply.headers.get("Content-Type", "")
            return Answer(reply.status, json.loads(text) if is_json else text, dict(reply.headers))

    return send


@pytest.fixture(scope="module")
def tokens(ask: Ask, stack: Stack) -> dict[str, str]:
    def sign_in(name: str) -> str:
        answer = ask("POST", "/auth/token", {"username": name, "password": stack.password})
        return str(answer.body["access_token"])

    return {name: sign_in(name) for name in ("admin", "reader")}


@pytest.fixture(scope="module")
def as_user(ask: Ask, tokens: dict[str, str]) -> Ask:
    """Ask the API with a user's token."""

    def send(method: str, path: str, body: object = None, user: str = "admin") -> Answer:
        return ask(
            method, API + path if not path.startswith("/") else path, body, Authorization=f"Bearer {tokens[user]}"
        )

    return send


def filled(path: str) -> str:
    values = {"{day}": "2025-10-09", "{code}": "sh.600000", "{backfill_id}": "0", "{path}": "main.js"}
    for name, value in values.items():
        path = path.replace(name, value)
    return path


def test_every_route_but_health_needs_a_user(ask: Ask, as_user: Ask) -> None:
    described = as_user("GET", "/ashare/openapi.json").body
    routes = [(method.upper(), path) for path, methods in described["paths"].items() for method in methods]
    assert len(routes) >= 23
    routes += [
        ("GET", path) for path in ("/", "/openapi.json", "/viewer.js", "/static/main.js", "/static/vendor/README.md")
    ]
    for method, path in routes:
        answer = ask(method, "/ashare" + filled(path))
        if path.endswith("/health"):
            assert answer.body["status"] in ("healthy", "stale"), path
        else:
            assert answer.code == 401, path
            assert answer.sentence == "Not authenticated"
    for path in ("/docs", "/redoc", "/static/../app.py", "/static/%2e%2e/app.py", "/nowhere"):
        assert ask("GET", "/ashare" + path).code in (401, 404), path
    person = ask("GET", "/ashare/", Accept="text/html")
    assert person.code == 401
    assert "Sign in to Airflow" in person.body


def test_a_user_who_may_only_read(as_user: Ask) -> None:
    for path in (
        "today",
        "overview",
        "list",
        "pending",
        "summary",
        "recent",
        "sync/batch/active",
        "source",
        "datasets",
    ):
        assert as_user("GET", path, user="reader").code in (200, 404), path
    assert as_user("POST", "check/2025-10-09", user="reader").code == 200
    seen = as_user("GET", "overview", user="reader").body["data"]
    assert not seen["can_start"]
    assert "the right to create runs" in seen["why_not"]
    batch = {"start_date": "2025-10-09", "end_date": "2025-10-10"}
    for path, body in (
        *(("sync/today", None), ("sync/date/2025-10-09", None), ("sync/pending", None), ("sync/batch", batch)),
        ("accept/2025-10-09", {"reason": "x"}),
        ("accept/2025-10-09/undo", None),
        ("sync/history", batch),
        ("sync/history/cancel?run_id=x", None),
    ):
        assert as_user("POST", path, body, user="reader").code == 403, path
    preview = as_user("GET", "sync/preview?start_date=2025-10-09&end_date=2025-10-10", user="reader").body["data"]
    assert not preview["can_start"]


@pytest.mark.parametrize(
    ("path", "body"),  # refused with 400, once it is let in
    [
        ("sync/batch", {"start_date": "2999-01-01", "end_date": "2999-01-01"}),
        ("accept/2999-01-01", {"reason": "x"}),
        ("accept/2999-01-01/undo", None),
        ("sync/history", {"start_date": "2999-01-01", "end_date": "2999-01-01"}),
    ],
)
def test_what_changes_state_refuses_other_sites(
    ask: Ask, tokens: dict[str, str], stack: Stack, path: str, body: object
) -> None:
    cookie = f"{COOKIE}={tokens['admin']}"
    own = f"http://127.0.0.1:{stack.port}"
    for headers, code in (
        ({}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "none"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Origin": own}, 403),
        ({"Origin": "https://elsewhere.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": own}, 400),
        ({"Sec-Fetch-Site": "same-origin"}, 400),
    ):
        answer = ask("POST", API + path, body, Cookie=cookie, **headers)
        assert answer.code == code, (headers, answer.body)
        if code == 403:
            assert "another site" in answer.sentence
    assert ask("GET", API + "overview", Cookie=cookie, Sec_Fetch_Site="cross-site").code == 200  # changes nothing


def test_answers_carry_what_keeps_other_hosts_out(as_user: Ask) -> None:
    for path in ("/ashare/", "/ashare/static/main.js", API + "overview"):
        headers = as_user("GET", path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "frame-ancestors 'self'" in policy
        assert "unsafe-eval" not in policy
        assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("method", "path", "body", "code", "says"),
    [
        ("GET", "date/2025-13-01", None, 400, "write it as YYYY-MM-DD"),
        ("GET", "date/2999-01-01", None, 400, "in the future"),
        ("GET", "date/1989-01-01", None, 400, "before 1990-12-19"),
        ("GET", "date/1995-06-07", None, 404, "the calendar that is stored does not cover it"),
        ("GET", "recent?days=0", None, 422, "days: Input should be greater than or equal to 1."),
        ("GET", "recent?days=366", None, 422, "days: Input should be less than or equal to 365."),
        ("GET", "pending?days_back=x", None, 422, "days_back: Input should be a valid integer"),
        ("GET", "list?page=0", None, 422, "page: "),
        ("GET", "list?page_size=101", None, 422, "page_size: "),
        ("GET", "list?status=done", None, 422, "status: Input should be 'pending', 'syncing'"),
        ("GET", "list?start_date=yesterday", None, 400, "'yesterday' is not a trade date"),
        ("POST", "check/tomorrow", None, 400, "'tomorrow' is not a trade date"),
        ("POST", "sync/date/2999-01-01", None, 400, "in the future"),
        ("POST", "sync/batch", {"start_date": "2025-10-09"}, 422, "end_date: Field required."),
        ("POST", "sync/batch", {"start_date": "2025-10-10", "end_date": "2025-10-09"}, 400, "swap them"),
        ("POST", "sync/batch", {"start_date": "2025-01-01", "end_date": "2025-10-09"}, 400, "at most 90"),
        ("POST", "sync/batch", {"start_date": "x", "end_date": "2025-10-09"}, 400, "'x' is not a trade date"),
        (
            "GET",
            "sync/preview?start_date=2025-10-09&end_date=2025-10-10&reprocess=verify&what=weekly_lists",
            None,
            400,
            "Weekly lists are not read again and compared",
        ),
        (
            "POST",
            "sync/batch",
            {"start_date": "2009-12-31", "end_date": "2010-01-08", "reprocess": "verify"},
            400,
            "2009-12-31 cannot be read again and compared",
        ),
        (
            "POST",
            "sync/history",
            {"start_date": "2025-09-01", "end_date": "2025-09-30", "datasets": ["stock_bar", "industry"]},
            400,
            "trigger a run for each of both",
        ),
        (
            "GET",
            "sync/history/preview?start_date=2025-09-01&end_date=2025-09-30&dataset=bonds",
            None,
            400,
            "no dataset",
        ),
        ("GET", "sync/history/progress?run_id=x", None, 404, "There is no run x of ashare_history."),
        ("POST", "sync/history/cancel?run_id=x", None, 404, "There is no run x of ashare_history."),
        ("POST", "accept/yesterday", {"reason": "x"}, 400, "'yesterday' is not a trade date"),
        ("POST", "accept/2999-01-01", {"reason": "x"}, 400, "in the future"),
        ("POST", "accept/2025-10-09", None, 422, "Field required"),
        ("POST", "accept/2025-10-09", {"reason": " "}, 400, "There is no reason"),
        ("POST", "accept/2025-10-09", {"reason": "x" * 501}, 400, "at most 500"),
        ("POST", "accept/2025-09-27", {"reason": "x"}, 400, "a weekend"),
        ("POST", "accept/2025-10-09/undo", None, 400, "2025-10-09 is not accepted: there is nothing to undo."),
        ("GET", "sync/batch/progress/4711", None, 404, "There is no backfill 4711"),
        ("GET", "sync/batch/progress/x", None, 422, "backfill_id: "),
        ("POST", "sync/batch/cancel/4711", None, 404, "not found"),
        ("GET", "stock/60000", None, 404, "There is no security '60000' in the list: write its six digits"),
        ("GET", "stock/sh.600000.sz", None, 404, "write its six digits, or these with the exchange"),
        ("GET", "stock/sh.60000%00/bars", None, 404, "write its six digits, or these with the exchange"),
        ("GET", "stock/sh.600000/bars?adjust=both", None, 422, "adjust: "),
        ("GET", "coverage?start_date=2025-10-09&end_date=2025-10-01", None, 400, "is not a range"),
        ("GET", "nowhere", None, 404, "Not Found"),
        ("POST", "sync/today", b"{x", 400, "The body or the query cannot be read"),
        ("POST", "sync/batch", b"{x", 422, "JSON decode error"),
        ("POST", "sync/date/2025-10-09?dag_id=a%00b", None, 400, "The body or the query cannot be read"),
    ],
)
def test_wrong_input_gets_one_sentence(
    as_user: Ask, method: str, path: str, body: object, code: int, says: str
) -> None:
    answer = as_user(method, path, body)
    assert answer.code == code, answer.body
    assert says in answer.sentence
    assert answer.body["status"] == ("not_found" if code == 404 else "error")


def ended(as_user: Ask, backfill_id: str) -> dict[str, Any]:
    deadline = time.monotonic() + 120
    while True:
        seen: dict[str, Any] = as_user("GET", f"sync/batch/progress/{backfill_id}").body["data"]
        if seen["status"] != "running":
            return seen
        assert time.monotonic() < deadline, seen
        time.sleep(0.3)


def free(as_user: Ask) -> None:
    """Wait for the backfill of an earlier test."""
    deadline = time.monotonic() + 120
    while as_user("GET", "sync/batch/active").body["data"]:
        assert time.monotonic() < deadline
        time.sleep(0.3)


def test_a_sync_as_clients_of_old_start_watch_and_list_it(as_user: Ask, query: Query, source: Emulator) -> None:
    free(as_user)
    source.add_fault(fault(MARKET, "delay", times=0, seconds=1))
    try:
        started = as_user("POST", "sync/batch", {"start_date": "2025-09-25", "end_date": "2025-09-29"})
        assert (started.code, started.body["status"], started.body["data"]["total_days"]) == (200, "success", 5)
        assert started.body["data"]["runs"] == 3
        task_id = started.body["data"]["task_id"]
        refused = as_user("POST", "sync/batch", {"start_date": "2025-09-24", "end_date": "2025-09-24"})
        assert refused.code == 409
        assert f"Backfill {task_id} of ashare_daily (2025-09-25 to 2025-09-29) is active" in refused.sentence
        assert as_user("POST", "sync/date/2025-09-24").code == 409
        assert as_user("POST", f"sync/batch/cancel/{task_id}", user="reader").code == 403
        active = as_user("GET", "sync/batch/active").body["data"]
        assert active["task_id"] == task_id
        assert active["progress"]["user"] == "admin"
        why_not = as_user("GET", "overview").body["data"]["why_not"]
        assert f"Backfill {task_id} is under way" in why_not
        done = ended(as_user, task_id)
    finally:
        source.clear_faults()
    assert (done["status"], done["total"], done["current"], done["success"], done["failed"]) == (
        "completed",
        3,
        3,
        3,
        0,
    )
    assert (done["start_time"], done["end_time"], done["progress_percent"]) == ("2025-09-25", "2025-09-29", 100)
    assert done["errors"] == []
    rows = query("SELECT trade_date::text, status, loaded FROM ashare.sync_status WHERE trade_date = '2025-09-26'")
    assert done["rows"] > 3 * 5000
    one = as_user("GET", "date/2025-09-26").body
    assert (one["status"], one["data"]["status"], one["data"]["success_count"]) == ("success", "success", rows[0][2])
    assert one["data"]["coverage"] == "complete"
    listed = as_user("GET", "list?page=1&page_size=2&start_date=2025-09-25&end_date=2025-09-29").body["data"]
    assert [record["sync_date"] for record in listed["records"]] == ["2025-09-29", "2025-09-26"]
    assert (listed["total"], listed["total_pages"]) == (3, 2)
    assert listed["stats"]["success"] == listed["stats"]["total"] == 3
    assert as_user("GET", "sync/batch/active").body["data"] is None
    audited = query_airflow(as_user, "ashare_sync")
    assert "admin" in audited

    free_range = as_user("GET", "sync/preview?start_date=2025-09-27&end_date=2025-09-28").body["data"]
    assert (free_range["can_start"], free_range["closed"]) == (False, 0)  # a weekend has no weekdays
    assert "Nothing is to be done" in free_range["why_not"]

    again = as_user("POST", "sync/batch", {"start_date": "2025-09-25", "end_date": "2025-09-29"})
    assert again.code == 409
    assert "Nothing is to be done" in again.sentence
    assert as_user("POST", "check/2025-09-26").body["need_sync"] is False
    single = as_user("POST", "sync/date/2025-09-26").body["data"]
    assert (single["status"], single["task_id"]) == ("skipped", None)
    weekend = as_user("POST", "sync/date/2025-09-27").body["data"]
    assert weekend["message"] == "2025-09-27 is not a trading day: a weekend, by Baostock's calendar."


def test_weekly_lists_are_previewed_started_watched_and_cancelled(
    as_user: Ask, query: Query, source: Emulator
) -> None:
    weeks = {"start_date": "2025-09-12", "end_date": "2025-09-23", "what": "weekly_lists"}
    asked = "sync/preview?" + "&".join(f"{name}={value}" for name, value in weeks.items())
    preview = as_user("GET", asked).body["data"]
    assert (preview["can_start"], preview["why_not"]) == (True, None)
    assert (preview["weekdays"], preview["to_sync"], preview["runs"], preview["complete"]) == (2, 2, 2, 0)
    assert preview["requests"] == 2 * (2 + 6)
    assert preview["command"].startswith("airflow dags backfill -s 2025-09-15 -e 2025-09-22 --")
    assert preview["command"].endswith(" ashare_reference")
    assert (
        "the right to create runs of ashare_reference" in as_user("GET", asked, user="reader").body["data"]["why_not"]
    )
    refused = as_user("POST", "sync/batch", weeks, user="reader")
    assert (refused.code, "runs of ashare_reference" in refused.sentence) == (403, True)

    started = as_user("POST", "sync/batch", weeks).body["data"]
    assert started["runs"] == 2
    done = ended(as_user, started["task_id"])
    assert (done["dag_id"], done["status"], done["total"], done["success"]) == ("ashare_reference", "completed", 2, 2)
    assert done["message"] == "Ended: all 2 weeks are done."
    loaded = query(
        "SELECT dataset, as_of::text, rows FROM ashare.snapshot WHERE as_of >= '2025-09-15' ORDER BY as_of, dataset"
    )
    assert len(loaded) == 6
    assert done["rows"] == sum(rows for *_, rows in loaded)
    assert done["requests"] >= 2 * 6
    again = as_user("GET", asked).body["data"]
    assert (again["complete"], again["why_not"]) == (2, "Every week of this range is complete.")
    assert "every week of this range is complete" in as_user("POST", "sync/batch", weeks).sentence
    tuesday = asked.replace("2025-09-12", "2025-09-23")
    assert "no Monday falls into this range" in as_user("GET", tuesday).body["data"]["why_not"]
    long = as_user("POST", "sync/batch", weeks | {"start_date": "2023-09-12"})
    assert (long.code, "at most 630" in long.sentence, "ashare_reference" in long.sentence) == (400, True, True)

    weekly = as_user("GET", "overview").body["data"]["weekly"]
    assert [(each["dataset"], each["newest_week"], each["rows"]) for each in weekly["lists"]] == [
        (dataset, week, rows) for dataset, week, rows in loaded if week == "2025-09-22"
    ]
    assert weekly["lists"][0]["open_weeks"] > 50  # the tests' market ends a year ago
    (code,) = query("SELECT code FROM ashare.index_member WHERE index_code = 'sh.000016' ORDER BY code LIMIT 1")[0]
    stock = as_user("GET", f"stock/{code}").body["data"]
    assert "sh.000016" in [each["index_code"] for each in stock["memberships"]]
    assert stock["names"]
    assert stock["industries"]

    source.add_fault(fault("query_stock_industry", "delay", times=0, seconds=1))
    try:
        longer = weeks | {"start_date": "2025-09-29", "end_date": "2025-10-27"}
        task_id = as_user("POST", "sync/batch", longer).body["data"]["task_id"]
        active = as_user("GET", "sync/batch/active").body["data"]
        assert (active["task_id"], active["progress"]["dag_id"]) == (task_id, "ashare_reference")
        overview = as_user("GET", "overview").body["data"]
        assert [each["task_id"] for each in overview["active"]] == [task_id]
        assert (overview["why_not"], f"Backfill {task_id}" in overview["weekly"]["why_not"]) == (None, True)
        assert as_user("POST", f"sync/batch/cancel/{task_id}", user="reader").code == 403
        assert as_user("POST", f"sync/batch/cancel/{task_id}").code == 200
        cancelled = ended(as_user, task_id)
    finally:
        source.clear_faults()
    assert (cancelled["status"], cancelled["total"]) == ("cancelled", 5)
    assert cancelled["cancelled"] >= 1  # four runs at once
    assert (cancelled["failed"], cancelled["errors"]) == (0, [])


def query_airflow(as_user: Ask, event: str) -> set[str]:
    """Who did what, by Airflow's audit log."""
    logs = as_user("GET", f"/api/v2/eventLogs?event={event}&limit=50").body["event_logs"]
    return {entry["owner"] for entry in logs}


def test_coverage_and_a_days_page(as_user: Ask) -> None:
    days = as_user("GET", "coverage?start_date=2025-09-25&end_date=2025-09-28").body["data"]["days"]
    assert [day[:2] for day in days] == [
        ["2025-09-25", "complete"],
        ["2025-09-26", "complete"],
        ["2025-09-27", "closed"],
        ["2025-09-28", "closed"],
    ]
    day = as_user("GET", "day/2025-09-26").body["data"]
    assert (day["previous"], day["following"]) == ("2025-09-25", "2025-09-29")
    assert day["run"]["state"] == "success"
    market = next(batch for batch in day["batches"] if batch["by"] == "market_day" and batch["kind"] == "stock")
    assert market["rows"] > 5000
    assert market["log"].startswith(day["run"]["run"] + "/tasks/fetch_and_copy/mapped/")
    assert as_user("GET", "/" + day["run"]["run"]).code == 200  # the UI has the page
    assert day["checks"]
    code = as_user("GET", "securities?q=600").body["data"][0]["code"]
    stock = as_user("GET", f"stock/{code}").body["data"]
    assert stock["bars"] >= 3
    assert len(as_user("GET", f"stock/{code}/bars?adjust=qfq").body["data"]["bars"]) == stock["bars"]


def test_a_red_date_is_accepted_as_it_is_shown_so_and_taken_back(as_user: Ask, query: Query) -> None:
    complete = as_user("POST", "accept/2025-09-26", {"reason": "x"})
    assert (complete.code, complete.sentence) == (400, "2025-09-26 is complete: there is nothing to accept.")
    bars = query("SELECT * FROM ashare.daily_bar WHERE trade_date = '2025-09-26' ORDER BY code LIMIT 2")
    codes = [row[1] for row in bars]
    query("DELETE FROM ashare.daily_bar WHERE trade_date = '2025-09-26' AND code = ANY (%s)", codes)
    query(
        "UPDATE ashare.counted_partition SET rows = rows - 2, missing = 2, problem = 'two are lost.' "
        "WHERE partition = '2025-09-26' AND dataset = 'index_bar'"
    )
    try:
        done = as_user("POST", "accept/2025-09-26", {"reason": "lost at the source"})
        assert done.code == 200, done.body
        said = done.body["data"]["message"]
        assert said.startswith("accepted by admin on ")
        assert said.endswith(": lost at the source; two are lost.")
        seen = as_user("GET", "day/2025-09-26").body["data"]
        assert seen["acceptance"]["reason"] == "lost at the source"
        assert (seen["acceptance"]["accepted_by"], seen["acceptance"]["problem"]) == ("admin", "two are lost")
        assert (seen["record"]["status"], seen["record"]["coverage"]) == ("success", "accepted")
        assert (seen["record"]["missing"], seen["record"]["failed_count"], seen["missing_total"]) == (2, 2, 2)
        assert seen["record"]["remarks"] == said
        assert (seen["may_accept"], as_user("GET", "day/2025-09-26", user="reader").body["data"]["may_accept"]) == (
            True,
            False,
        )
        days = as_user("GET", "coverage?start_date=2025-09-26&end_date=2025-09-26").body["data"]["days"]
        assert days[0][1] == "accepted"
        need = as_user("POST", "check/2025-09-26").body
        assert (need["need_sync"], need["reason"]) == (False, f"2025-09-26 counts as complete: it is {said}")
        assert "2025-09-26" not in as_user("GET", "pending?days_back=365").body["dates"]
        assert as_user("POST", "accept/2025-09-26", {"reason": "again"}).code == 400
        undone = as_user("POST", "accept/2025-09-26/undo").body["data"]["message"]
        assert undone == "2025-09-26 is not complete: two are lost."
        assert as_user("GET", "date/2025-09-26").body["data"]["status"] == "failed"
    finally:
        for row in bars:
            query(f"INSERT INTO ashare.daily_bar VALUES ({', '.join(['%s'] * len(row))})", *row)
        query(
            "UPDATE ashare.counted_partition SET rows = rows + 2, missing = 0, problem = NULL "
            "WHERE partition = '2025-09-26' AND dataset = 'index_bar'"
        )


@pytest.mark.parametrize("by", ["the page", "Airflow's own button"])
def test_cancelling_lets_dates_under_way_finish_and_the_others_be_cleared(
    as_user: Ask, api: Api, source: Emulator, by: str
) -> None:
    free(as_user)
    source.add_fault(fault("*", "delay", times=0, seconds=0.5))
    try:
        body = {"start_date": "2025-09-01", "end_date": "2025-09-16", "reprocess": "all"}
        task_id = as_user("POST", "sync/batch", body).body["data"]["task_id"]
        deadline = time.monotonic() + 60
        while not as_user("GET", f"sync/batch/progress/{task_id}").body["data"]["running"]:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        if by == "the page":
            cancelled = as_user("POST", f"sync/batch/cancel/{task_id}")
            assert cancelled.code == 200, cancelled.body
        else:
            assert api("PUT", f"/api/v2/backfills/{task_id}/cancel")["completed_at"]
        assert as_user("POST", f"sync/batch/cancel/{task_id}").code == 409
    finally:
        source.clear_faults()
    done = ended(as_user, task_id)
    assert done["status"] == "cancelled"
    assert done["cancelled"] > 0 < done["success"]
    assert (done["failed"], done["errors"]) == (0, [])
    assert done["current"] == done["total"]
    # Airflow would leave the backfill paused, and a run of it that is cleared queued for ever.
    found = api("GET", "/api/v2/dags/ashare_daily/dagRuns?limit=1&state=failed&order_by=-id")["dag_runs"]
    path = f"/api/v2/dags/ashare_daily/dagRuns/{quote(found[0]['dag_run_id'])}"
    api("POST", f"{path}/clear", {"dry_run": False})
    until(lambda: api("GET", path)["state"], "success".__eq__)


def test_a_paused_dag_and_a_missing_pool_keep_a_sync_from_starting(as_user: Ask, api: Api) -> None:
    free(as_user)
    body = {"start_date": "2025-09-01", "end_date": "2025-09-02", "reprocess": "all"}
    api("PATCH", "/api/v2/dags/ashare_daily", {"is_paused": True})
    try:
        paused = as_user("POST", "sync/batch", body)
        seen = as_user("GET", "overview").body["data"]
    finally:
        api("PATCH", "/api/v2/dags/ashare_daily", {"is_paused": False})
    assert paused.code == 409
    assert "is paused" in paused.sentence
    assert (seen["is_paused"], seen["can_start"], seen["next_run"]) == (True, False, None)
    with without_pool(api):
        poolless = as_user("POST", "sync/batch", body)
    assert poolless.code == 409
    assert "'baostock', which does not exist" in poolless.sentence


def test_health_says_one_word_and_names_open_sessions(ask: Ask) -> None:
    for path in ("/ashare/health", API + "health"):
        answer = ask("GET", path)
        assert (answer.code, answer.body["status"]) == (503, "stale")  # the market ends in 2025
        assert len(answer.body["open_sessions"]) <= 20
