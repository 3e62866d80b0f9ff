"""Every list of codes that stands in the package holds codes that Baostock's recorded lists know."""

from __future__ import annotations

import csv
from collections.abc import Collection

import pytest

from ashare.datasets import MEMBER_LISTS
from ashare.settings import DEFAULT_INDICES
from ashare.sync import by_code
from ashare_emulator import names
from ashare_emulator.generated import GeneratedMarket
from ashare_emulator.market import INDEX
from tests.conftest import SHARED_DATA, needs_shared_data

pytestmark = needs_shared_data

LISTS: dict[str, Collection[str]] = {
    "settings.DEFAULT_INDICES": DEFAULT_INDICES,
    "datasets.MEMBER_LISTS": MEMBER_LISTS,
    "the witnesses of absence": (by_code.WITNESS, by_code.INDEX),
    "names.ALWAYS": names.ALWAYS,
    "names.INDICES": names.INDICES,
    "names.BEIJING": names.BEIJING,
}


@pytest.fixture(scope="module")
def recorded() -> set[str]:
    with (SHARED_DATA / "all_stock_2023.csv").open(encoding="utf-8") as file:
        return {row["code"] for row in csv.DictReader(file)}


@pytest.mark.parametrize("name", LISTS)
def test_a_fixed_list_of_codes_is_known_to_baostock(recorded: set[str], name: str) -> None:
    assert LISTS[name]
    assert set(LISTS[name]) - recorded == set()


def test_the_indices_of_the_generated_market_are_known_to_baostock(recorded: set[str]) -> None:
    indices = {security.code for security in GeneratedMarket().securities() if security.type == INDEX}
    assert len(indices) > 400
    assert indices - recorded == set()
