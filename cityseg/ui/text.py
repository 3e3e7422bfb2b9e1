"""Text that people or files name, shown as it is."""

import re
from typing import Final

_MARKDOWN: Final = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~$:&])")


def shown(text: object) -> str:
    """`text` where no Markdown is read; bytes of a file's name that are no UTF-8 become `?`."""
    return str(text).encode(errors="replace").decode()


def plain(text: object) -> str:
    """`text` for a Streamlit call that takes Markdown: nothing in it is markup, or HTML."""
    return _MARKDOWN.sub(r"\\\1", shown(text)).replace("\n", "  \n")


def counted(number: int, noun: str) -> str:
    """`1 frame`, `2,975 frames`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
