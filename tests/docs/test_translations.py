"""A Chinese page says what its English page says: headings, code, tables and figures are equal, and links lead on."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from ashare_local import PROJECT

OTHER_NAMES = {
    Path("README.md"): "README.zh-CN.md",
    Path("CONTRIBUTING.md"): "CONTRIBUTING.zh-CN.md",
    Path("deploy/README.md"): "README.zh-CN.md",
}
"""Pages outside of `docs`, and the names of their translations."""
IN_FULL = {
    *("adding-a-dataset", "architecture", "operations", "performance", "reliability", "testing"),
    *(f"decisions/{file.stem}" for file in (PROJECT / "docs/decisions").glob("*.md") if ".zh" not in file.name),
}
"""Pages of `docs` whose translation keeps each quoted word and each number of the text, too."""
ENGLISH_ONLY = {"docs/architecture.md": "## `dags`"}
"""From here on, a page is English only: its modules' docstrings, to which the translation refers in one section."""
WRONG_TERMS = {
    "补数": "回补",
    "补录": "回补",
    "回填": "回补",
    "被拒": "剔除（行）；拒绝（连接、请求）",
    "预算": "请求额度",
    "账本": "台账",
    "回复": "返回数据",
    "黑名单": "封禁",
    "除权日": "除权除息日",
    "复权系数": "复权因子",
    "交叉检查": "交叉核对",
}
"""Chinese words that are not used, and the one that is."""
MONTHS = "January February March April May June July August September October November December".split()
SCALES = {"million": 10**6, "billion": 10**9, "万": 10**4, "亿": 10**8}


def pairs() -> Iterator[tuple[Path, Path]]:
    for chinese in sorted((PROJECT / "docs").rglob("*.zh.md")):
        if chinese.is_symlink():  # for the site, to one of OTHER_NAMES
            continue
        yield chinese.with_name(chinese.name.replace(".zh.md", ".md")), chinese
    for english, name in OTHER_NAMES.items():
        yield PROJECT / english, (PROJECT / english).with_name(name)


PAIRS = {english.relative_to(PROJECT).as_posix(): (english, chinese) for english, chinese in pairs()}
each_pair = pytest.mark.parametrize("page", PAIRS)
each_full_pair = pytest.mark.parametrize(
    "page", [page for page in PAIRS if page.removeprefix("docs/").removesuffix(".md") in IN_FULL]
)


class Page:
    """A Markdown page: its headings, its code blocks, and its sections without code."""

    def __init__(self, text: str) -> None:
        self.code: list[tuple[str, str]] = []
        self.sections: list[str] = [""]
        self.headings: list[tuple[int, str]] = []
        lines = iter(text.splitlines())
        for line in lines:
            if fence := re.match(r"(\s*)```(\w*)", line):
                block = []
                for inner in lines:
                    if inner.strip() == "```":
                        break
                    block.append(inner.removeprefix(fence[1]))
                self.code.append((fence[2], "\n".join(block)))
            elif heading := re.match(r"(#+) (.+)", line):
                self.headings.append((len(heading[1]), heading[2]))
                self.sections.append(heading[2] + "\n")
            else:
                self.sections[-1] += line + "\n"

    @property
    def tables(self) -> list[list[str]]:
        """The rows of each table, its head included."""
        found: list[list[str]] = []
        is_in_table = False
        for line in "\n".join(self.sections).splitlines():
            if line.lstrip().startswith("|"):
                if not is_in_table:
                    found.append([])
                found[-1].append(line.strip())
            is_in_table = line.lstrip().startswith("|")
        return found


def read(page: str) -> tuple[Page, Page]:
    english, chinese = (file.read_text(encoding="utf-8") for file in PAIRS[page])
    if page in ENGLISH_ONLY:
        english = english.partition(f"\n{ENGLISH_ONLY[page]}")[0]
        chinese = chinese[: chinese.rindex("\n## ")]
    return Page(english), Page(chinese)


def quoted(text: str) -> Counter[str]:
    """The words between backticks."""
    return Counter(
        " ".join((double or single).split()) for double, single in re.findall(r"``(.+?)``|`([^`]+)`", text, re.S)
    )


def numbers(text: str) -> Counter[str]:
    """The numbers of a text, however its language writes months and large numbers."""
    text = re.sub(r"``.+?``|`[^`]+`|\]\([^)]*\)|https?://\S+", " ", text, flags=re.S)
    for number, month in enumerate(MONTHS, 1):
        text = re.sub(rf"\b{month}(?= \d{{4}})|(?<=\d ){month}\b", str(number), text)
    found: Counter[str] = Counter()
    for number, scale in re.findall(rf"(\d+(?:[.,:]\d+)*)(?:\s*({'|'.join(SCALES)}))?", text):
        plain = number.replace(",", "")
        if re.fullmatch(r"\d+(\.\d+)?", plain):
            plain = f"{round(float(plain) * SCALES.get(scale, 1), 6):.10g}"
        found[plain] += 1
    return found


def cells(row: str) -> int:
    return len(re.findall(r"(?<!\\)\|", re.sub(r"``.+?``|`[^`]+`", "", row)))


def structure(kind: str, code: str) -> str:
    """Code to compare: of a picture, what is joined with what; its labels are in the page's language."""
    return re.sub(r'"[^"]*"', '""', code) if kind == "mermaid" else code


def differences(english: Counter[str], chinese: Counter[str]) -> list[str]:
    return [
        *(f"only English: {text}" for text in english - chinese),
        *(f"only Chinese: {text}" for text in chinese - english),
    ]


def test_there_is_a_translation_of_each_page_in_full() -> None:
    assert {f"docs/{name}.md" for name in IN_FULL} <= set(PAIRS)
    assert all(file.is_file() for pair in PAIRS.values() for file in pair)


@each_pair
def test_the_headings_are_the_same(page: str) -> None:
    english, chinese = read(page)
    assert [level for level, _ in chinese.headings] == [level for level, _ in english.headings]


@each_pair
def test_the_code_is_the_same(page: str) -> None:
    english, chinese = read(page)
    assert [structure(*block) for block in chinese.code] == [structure(*block) for block in english.code]


@each_pair
def test_the_tables_have_the_same_rows_words_and_figures(page: str) -> None:
    english, chinese = read(page)
    assert [len(table) for table in chinese.tables] == [len(table) for table in english.tables]
    for one, other in zip(english.tables, chinese.tables, strict=True):
        for row, translated in zip(one, other, strict=True):
            assert cells(translated) == cells(row), translated
            assert differences(quoted(row), quoted(translated)) == [], translated
            assert differences(numbers(row), numbers(translated)) == [], translated


@each_full_pair
def test_the_text_has_the_same_words_and_figures(page: str) -> None:
    english, chinese = read(page)
    for one, other in zip(english.sections, chinese.sections, strict=True):
        assert differences(quoted(one), quoted(other)) == [], other[:100]
        assert differences(numbers(one), numbers(other)) == [], other[:100]


@each_pair
def test_the_text_is_chinese_and_uses_one_word_for_one_thing(page: str) -> None:
    _, chinese = read(page)
    text = re.sub(r"``.+?``|`[^`]+`", "", "\n".join(chinese.sections), flags=re.S)
    assert [f"{wrong}: write {right}" for wrong, right in WRONG_TERMS.items() if wrong in text] == []
    for section in text.split("\n\n"):
        words = re.sub(r"\]\([^)]*\)|<!--.*?-->|^\W*\|.*$", "", section, flags=re.M)
        if len(words) > 200:
            assert len(re.findall("[\u4e00-\u9fff]", words)) > len(words) / 5, f"not translated: {section[:100]}"


def anchor(heading: str) -> str:
    """The address of a heading within its page."""
    return re.sub(r"[^\w\- ]", "", re.sub(r"[`*]", "", heading).strip().lower()).replace(" ", "-")


@each_pair
def test_every_link_leads_to_a_page_and_a_heading_and_stays_in_chinese(page: str) -> None:
    english, chinese = PAIRS[page]
    for file in (english, chinese):
        text = "\n".join(Page(file.read_text(encoding="utf-8")).sections)
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            if re.match(r"\w+:", target):
                continue
            path, _, heading = target.partition("#")
            linked = (file.parent / path).resolve() if path else file
            assert linked.exists(), f"{file.name}: {target}"
            if heading:
                known = {anchor(title) for _, title in Page(linked.read_text(encoding="utf-8")).headings}
                assert heading in known, f"{file.name}: {target}"
            translated = next((pair[1] for pair in PAIRS.values() if pair[0] == linked), None)
            if file == chinese and translated is not None and linked != english:
                assert linked == translated, f"{file.name}: {target} has a Chinese page"
