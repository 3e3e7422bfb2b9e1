"""Text from people, files and errors: no markup, valid UTF-8, whole sentences."""

import os

import pytest

from cityseg.ui.text import cell, plain, sentence, utf8


def test_every_character_that_markdown_reads_is_escaped() -> None:
    assert plain("**a** [b](c) $d$ :red[e]") == r"\*\*a\*\* \[b\]\(c\) \$d\$ \:red\[e\]"


def test_a_line_break_stays_one_in_markdown() -> None:
    assert plain("one\ntwo") == "one  \ntwo"


def test_bytes_that_are_not_utf8_become_question_marks() -> None:
    assert utf8(os.fsdecode(b"z\xfcrich")) == "z?rich"


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1+1", "\r=1+1"])
def test_a_cell_is_no_formula_and_looks_the_same(text: str) -> None:
    assert cell(text) == f"\N{WORD JOINER}{text}"


def test_a_cell_with_another_text_is_left_as_it_is() -> None:
    assert cell("a=1") == "a=1"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("its process is gone", "Its process is gone."),
        ("crop is 8x8: too small", "Crop is 8x8: too small."),
        ("Done.", "Done."),
        ("Look at the log …", "Look at the log …"),
        ("", ""),
    ],
)
def test_a_sentence_has_a_capital_letter_and_an_end(text: str, expected: str) -> None:
    assert sentence(text) == expected


@pytest.mark.parametrize("name", ["mine.safetensors", "clip_norm", "/data/a", "train/ulm/ulm_0_0"])
def test_a_file_or_a_setting_keeps_its_spelling_at_the_start(name: str) -> None:
    assert sentence(f"{name} is damaged") == f"{name} is damaged."
