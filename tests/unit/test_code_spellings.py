"""Codes as people write them."""

from __future__ import annotations

import pytest

from ashare.code_spellings import CodeSpelling, parse_code_spelling


@pytest.mark.parametrize(
    "text",
    [
        *("sh.600000", "sh600000", "SH600000", "SH.600000", "Sh 600000", "600000.SH", "600000.sh", "600000SH"),
        *(
            "600000 sh",
            " sh.600000\n",
            "ＳＨ６０００００",
            "ｓｈ．６０００００",
            "６０００００．ＳＨ",
            "sh.600000.SH",
        ),
    ],
)
def test_a_code_with_its_exchange(text: str) -> None:
    spelling = parse_code_spelling(text)
    assert spelling is not None
    assert spelling.codes == ("sh.600000",)


@pytest.mark.parametrize("text", ["000001", " 000001 ", "０００００１"])
def test_a_code_without_its_exchange_is_of_any(text: str) -> None:
    spelling = parse_code_spelling(text)
    assert spelling is not None
    assert spelling.codes == ("sh.000001", "sz.000001", "bj.000001")


@pytest.mark.parametrize(
    ("text", "position"),
    [("6000", 0), ("sh60", 0), ("6000.SH", 0), ("000", 1), ("SZ60", -1), ("60.sz", -1), ("601", -1)],
)
def test_digits_are_looked_for_in_the_codes_of_the_exchange(text: str, position: int) -> None:
    spelling = parse_code_spelling(text)
    assert spelling is not None
    assert spelling.codes == ()
    assert spelling.position_in("sh.600000") == position


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "sh", "sh.", ".600000", "6000000", "hk.600000", "600000.HK", "sh..600000", "sh.600000.sz"),
        *("60 0000", "sh.60000\0", "浦发银行", "600000%", "-1", "sh:600000"),
    ],
)
def test_no_code(text: str) -> None:
    assert parse_code_spelling(text) is None


def test_a_spelling_is_what_it_says() -> None:
    assert parse_code_spelling("60.SZ") == CodeSpelling("sz", "60")
