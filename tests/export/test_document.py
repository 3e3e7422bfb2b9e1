"""Documents in Markdown and HTML: complete, self-contained, and no text of a person is markup."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from cityseg.export.document import (
    Block,
    Code,
    Drawing,
    Heading,
    Paragraph,
    Picture,
    Points,
    Table,
    as_html,
    as_markdown,
    one_line,
)

EVIL = '<script>alert("1")</script> | `x` **b** [l](http://x) $a$ ![i](http://y) &amp; \n# h \udcff'
BLOCKS: list[Block] = [
    Heading(EVIL, 1),
    Paragraph(EVIL),
    Points([EVIL]),
    Table((EVIL, "b"), [(EVIL, "2")]),
    Code("python -m <x> &"),
    Drawing("<svg></svg>", EVIL),
    Picture(b"webp", EVIL),
]


class Tags(HTMLParser):
    """The tags and texts of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts: list[str] = []
        self.addresses: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_names_are_no_html() -> None:
    page = Tags(as_html(BLOCKS, EVIL))
    assert "script" not in page.tags
    assert "a" not in page.tags
    assert page.texts.count(one_line(EVIL)) >= 4
    assert page.addresses == ["data:image/webp;base64,d2VicA=="]


def test_names_are_no_markdown() -> None:
    text = as_markdown(BLOCKS, "a: 1\n")
    body = text.partition("---\n\n")[2]
    lines = [line for line in body.splitlines() if "script" in line]
    assert len(lines) == 7
    for line in lines:
        unescaped = re.sub(r"\\.", "", line.partition("](data:")[0].removeprefix("!["))
        assert not set("<*`[$&") & set(unescaped)
    assert not any(line.startswith("# h") for line in body.splitlines())
    rows = [line for line in body.splitlines() if line.startswith("|")]
    assert len(rows) == 3
    assert [line.replace("\\|", "").count("|") for line in rows] == [3, 3, 3]


@pytest.mark.parametrize("start", ["- a", "+ a", "1. a", "12) a", "===", "---", "  - a"])
def test_a_text_stays_a_paragraph(start: str) -> None:
    text = as_markdown([Heading("t", 1), Paragraph(start)], "").splitlines()[-1]
    assert "\\" in text[:4]
    assert text.replace("\\", "") == start.strip()


def test_the_front_matter_comes_first_and_code_is_kept() -> None:
    text = as_markdown(BLOCKS, "license: other\n")
    assert text.startswith("---\nlicense: other\n---\n\n# ")
    assert "\n    python -m <x> &\n" in text


def test_a_file_can_be_written(tmp_path: Path) -> None:
    for text in (as_markdown(BLOCKS, ""), as_html(BLOCKS, "")):
        (tmp_path / "file").write_text(text, encoding="utf-8")  # no lone surrogate is left
