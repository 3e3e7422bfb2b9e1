"""Text that people or files name, shown as it is."""

import re
from typing import Final

_MARKDOWN: Final = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~$:&])")


def plain(text: object) -> str:
    """`text` for a Streamlit call that takes Markdown: nothing in it is markup, or HTML."""
    return _MARKDOWN.sub(r"\\\1", str(text)).replace("\n", "  \n")
