from __future__ import annotations

from datetime import date

import pytest

from ashare.errors import InvalidInput
from ashare.settings import Settings
from ashare.source import SourceConfig
from ashare.store import Store
from ashare.sync import Run
from ashare.sync.history import HistoryRun
from ashare.sync.plan import cut_batches
from tests.conftest import at


def no_database() -> None:
    raise AssertionError("planning asked the database")


def run_of(day: date, **options: object) -> Run:
    return Run(day, store=Store(no_database), source=SourceConfig(), now=at("2026-05-08T20:00"), **options)  # type: ignore[arg-type]


STOCKS = [f"sh.{600000 + n}" for n in range(1200)]


def shape(run: Run, **remaining: list[str]) -> list[tuple[str, str, str, int | None]]:
    return [(b.kind, b.by, b.label, None if b.codes is None else len(b.codes)) for b in cut_batches(run, remaining)]


def test_stocks_go_by_the_whole_market_call_and_indices_one_by_one() -> None:
    run = run_of(date(2026, 3, 2))
    assert shape(run, index=["sh.000001", "sz.399001"], stock=STOCKS) == [
        ("stock", "market_day", "stocks 2026-03-02, whole market", None),
        ("index", "code", "indices 1-2", 2),
    ]


@pytest.mark.parametrize(
    ("day", "kind", "by"),
    [
        (date(2009, 12, 31), "stock", "code"),
        (date(2010, 1, 4), "stock", "market_day"),
        (date(2025, 12, 31), "etf", "code"),
        (date(2026, 1, 5), "etf", "market_day"),
    ],
)
def test_before_the_whole_market_calls_begin_it_goes_one_by_one(day: date, kind: str, by: str) -> None:
    assert {batch.by for batch in cut_batches(run_of(day, kinds=(kind,)), {kind: STOCKS})} == {by}


def test_one_by_one_goes_in_batches_of_the_size_asked_for() -> None:
    assert shape(run_of(date(2026, 3, 2), fetch="code", batch_size=500), stock=STOCKS) == [
        ("stock", "code", "stocks 1-500", 500),
        ("stock", "code", "stocks 501-1000", 500),
        ("stock", "code", "stocks 1001-1200", 200),
    ]


def test_a_few_codes_are_not_worth_the_whole_market() -> None:
    assert shape(run_of(date(2026, 3, 2)), stock=STOCKS[:3]) == [("stock", "code", "stocks 1-3", 3)]


def test_nothing_left_gives_no_batches() -> None:
    assert shape(run_of(date(2026, 3, 2))) == []


def test_a_run_has_the_kinds_of_its_settings_unless_it_is_given_some(monkeypatch: pytest.MonkeyPatch) -> None:
    day = date(2026, 3, 2)
    settings = Settings(kinds=("etf",))
    assert run_of(day).kinds == ("stock", "index")
    assert run_of(day, settings=settings).kinds == ("etf",)
    assert run_of(day, settings=settings, kinds=("index",)).kinds == ("index",)
    monkeypatch.setenv("ASHARE_KINDS", "index,etf")
    assert run_of(day).kinds == ("index", "etf")
    run = run_of(day)
    years = HistoryRun(day, day, store=run.store, source=run.source, now=run.now)
    assert years.kinds == years.on(day).kinds == ("index", "etf")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"kinds": ("stock", "bond")}, "There is no kind of security bond: kinds is a list of stock, index, etf."),
        ({"kinds": ()}, "There is no kind of security (none was given)"),
        ({"fetch": "fast"}, "fetch is 'fast': it must be one of auto, code."),
        ({"batch_size": 0}, "batch_size is 0: it must be a whole number from 1 on."),
    ],
)
def test_a_param_that_cannot_be_is_refused_with_what_is_allowed(options: dict[str, object], said: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        run_of(date(2026, 3, 2), **options)
    assert said in str(refused.value)
