"""Text that people, files or errors supply, made safe to show."""

import re
from typing import Final

from cityseg.wording import utf8 as utf8

_MARKDOWN: Final = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~$:&])")
#: What begins with one of these is a formula to a spreadsheet.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
_WORD_JOINER: Final = "\u2060"  # has no width
_LOWER_CASE_WORD: Final = re.compile(r"[a-z]+(?=[\s,:]|$)")


def cell(text: object) -> str:
    """`text` for a cell of `st.dataframe`, from whose CSV no spreadsheet may read a formula.

    Streamlit's own toolbar writes that CSV in the browser, as the cells are.
    """
    result = utf8(text)
    return f"{_WORD_JOINER}{result}" if result.startswith(_FORMULA) else result


def plain(text: object) -> str:
    """`text` for a Streamlit call that reads Markdown: every character is shown as it is."""
    return _MARKDOWN.sub(r"\\\1", utf8(text)).replace("\n", "  \n")


def capitalised(text: object) -> str:
    """`text` with a capital letter, unless it begins with a file or a setting.

    A first word with other characters than letters is taken for one and keeps its spelling.
    """
    result = str(text).strip()
    word = _LOWER_CASE_WORD.match(result)
    return result[:1].upper() + result[1:] if word else result


def sentence(text: object) -> str:
    """`text` with a capital letter and a full stop.

    The reasons in older run folders and the errors of libraries have neither.
    """
    result = capitalised(text)
    return result if not result or result[-1] in ".!?…" else f"{result}."


def words(code: str) -> str:
    """The name of a setting or a reason in words: "missing_image" is "Missing image"."""
    return code.replace("_", " ").capitalize()
