"""Spans from weekly lists: whatever the order in which weeks arrive, the spans say what the lists said."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import date, timedelta

import pytest

from ashare.datasets import INDEX_MEMBERS, INDUSTRIES, NAMES, WeeklyDataset
from ashare.errors import StoreBusy
from ashare.store import Store
from ashare.store.weekly_lists import ListRow, WeeklyList
from tests.conftest import Database

FIRST = date(2026, 3, 2)


@pytest.fixture
def store(database: Database) -> Iterator[Store]:
    with Store(database.connect) as opened:
        yield opened


def weeks(count: int) -> list[date]:
    return [FIRST + timedelta(weeks=n) for n in range(count)]


def save(store: Store, dataset: WeeklyDataset, week: date, rows: list[ListRow]) -> None:
    counted = store.weekly_lists.save([WeeklyList(dataset, week, week, rows)], "test")
    assert counted == {dataset.name: len(rows)}


def random_list(dataset: WeeklyDataset, noise: random.Random) -> list[ListRow]:
    rows: list[ListRow] = []
    for code in ("sh.600000", "sh.600001", "sz.000001"):
        if noise.random() < 0.3:
            continue
        groups = ("a", "b") if len(dataset.key) == 2 else ("",)
        for group in groups:
            key = (group, code) if group else (code,)
            value = (noise.choice(["x", "y", None] if dataset is INDUSTRIES else ["x", "y"]),)
            rows.append((*key, *(value if dataset.value else ())))
    return rows


@pytest.mark.parametrize("dataset", [INDEX_MEMBERS, INDUSTRIES, NAMES], ids=lambda dataset: dataset.name)
@pytest.mark.parametrize("seed", range(6))
def test_spans_say_what_the_lists_said_in_whatever_order_weeks_arrive(
    store: Store, database: Database, dataset: WeeklyDataset, seed: int
) -> None:
    noise = random.Random(seed)
    lists = {week: random_list(dataset, noise) for week in weeks(9)}
    order = list(lists)
    noise.shuffle(order)
    order += noise.sample(order, 2)  # a week may be read again, with another answer
    loaded: dict[date, list[ListRow]] = {}
    for week in order:
        rows = random_list(dataset, noise) if week in loaded else lists[week]
        loaded[week] = rows
        save(store, dataset, week, rows)
        for day in weeks(10):
            known = [earlier for earlier in loaded if earlier <= day]
            expected = set(loaded[max(known)]) if known else set()
            assert store.weekly_lists.rows(dataset, day) == expected, (week, day)
    # No two spans of one key overlap, and none that says the same touches another.
    key = ", ".join(dataset.key)
    value = dataset.value or "0"
    clashes = database.rows(
        f"""SELECT * FROM (
                SELECT start_date, lag(end_date, 1, '-infinity') OVER same AS before, {value} AS value,
                       lag({value}) OVER same AS value_before, row_number() OVER same AS n
                FROM ashare.{dataset.name} WINDOW same AS (PARTITION BY {key} ORDER BY start_date)) AS s
            WHERE n > 1 AND (before IS NULL OR before > start_date
                             OR before = start_date AND value IS NOT DISTINCT FROM value_before)"""
    )
    assert clashes == []


def test_a_deleted_span_shows_in_every_week_that_it_covered(store: Store, database: Database) -> None:
    for week in weeks(4):
        save(store, NAMES, week, [("sh.600000", "a"), ("sz.000001", "b" if week < weeks(3)[-1] else "c")])
    states = store.weekly_lists.states([NAMES.name], FIRST, weeks(4)[-1], weeks(4)[-1])
    assert [state.state for state in states] == ["complete"] * 4
    database.do("DELETE FROM ashare.security_name WHERE name = 'b'")
    states = store.weekly_lists.states([NAMES.name], FIRST, weeks(4)[-1], weeks(4)[-1])
    assert [(state.state, state.loaded, state.missing) for state in states] == [("partial", 1, 1)] * 2 + [
        ("complete", 2, 0)
    ] * 2
    assert states[0].problem == "1 rows that were counted are gone: run the week again."
    facts = database.rows(
        "SELECT partition, is_complete FROM ashare.coverage WHERE dataset = 'security_name' ORDER BY 1"
    )
    assert facts == list(zip(weeks(4), [False, False, True, True], strict=True))


def test_weeks_without_a_list_say_why(store: Store) -> None:
    before, first, lacking, newest, later = weeks(5)
    save(store, NAMES, first, [("sh.600000", "a")])
    store.calendar.save([(FIRST + timedelta(days=n), n % 7 < 5) for n in range(30)])
    states = store.weekly_lists.states([NAMES.name], FIRST, later, newest)
    assert [(state.week, state.state) for state in states] == [
        (before, "before"),
        (first, "complete"),
        (lacking, "missing"),
        (newest, "missing"),
        (later, "unpublished"),
    ]
    assert [
        state.state for state in store.weekly_lists.states([NAMES.name], date(2008, 12, 29), date(2009, 1, 5), FIRST)
    ] == [
        "none",
        "before",
    ]


def test_two_sessions_write_lists_one_after_the_other(store: Store, database: Database) -> None:
    store.name_sessions("test", 1.0)
    with database.connect() as other:
        other.execute("SELECT pg_advisory_xact_lock(hashtextextended('ashare weekly lists', 0))")
        with pytest.raises(StoreBusy):
            save(store, NAMES, FIRST, [("sh.600000", "a")])
    assert database.rows("SELECT * FROM ashare.snapshot") == []
    save(store, NAMES, FIRST, [("sh.600000", "a")])


@pytest.mark.parametrize("name", ['a "b"', "a\\b", "{a,b}", "NULL", "null", "", " a ", "a\nb\tc", "万科Ａ", "'%s'"])
def test_any_text_is_stored_as_it_is(store: Store, name: str) -> None:
    save(store, NAMES, FIRST, [("sh.600000", name), ("sh.600001", "a\0b")])
    assert store.weekly_lists.rows(NAMES, FIRST) == {("sh.600000", name), ("sh.600001", "ab")}
    save(store, INDUSTRIES, FIRST, [("a", "sh.600000", name), ("a", "sh.600001", None)])
    assert store.weekly_lists.rows(INDUSTRIES, FIRST) == {("a", "sh.600000", name), ("a", "sh.600001", None)}
