"""docs/data.md and docs/data.zh.md are of today's schema and registry, each comment in both languages."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from docs.tools.data_page import PAGES, Relation, Translation, page, read_chinese, relations
from tests.conftest import Databases

RENEW = "renew it: make comments"


@pytest.fixture(scope="module")
def found(databases: Databases) -> Iterator[dict[str, Relation]]:
    with databases.copied("migrated") as database, database.connect() as connection:
        yield relations(connection)


def test_the_english_page_is_that_of_the_schema(found: dict[str, Relation]) -> None:
    assert page(found, str) == PAGES["en"].read_text(encoding="utf-8"), RENEW


def test_the_chinese_page_is_that_of_the_schema(found: dict[str, Relation]) -> None:
    assert page(found, Translation(read_chinese())) == PAGES["zh"].read_text(encoding="utf-8"), RENEW


def test_every_comment_has_its_chinese_text_and_none_is_left_over(found: dict[str, Relation]) -> None:
    translation = Translation(read_chinese())
    page(found, translation)
    assert translation.missing == []
    assert translation.left_over == []
    assert len(translation.used) > 350


def test_every_table_and_column_has_a_comment(found: dict[str, Relation]) -> None:
    without = [
        f"{relation.name}.{column.name}"
        for relation in found.values()
        for column in relation.columns
        if not (relation.comment and column.meaning)
    ]
    assert without == [f"schema_migration.{name}" for name in ("version", "name", "applied_at")]


def test_a_table_that_no_group_names_is_refused(found: dict[str, Relation]) -> None:
    with pytest.raises(ValueError, match="it differs in: daily_bars"):
        page({**found, "daily_bars": found["daily_bar"]}, str)
