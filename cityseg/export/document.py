"""A document of a few blocks, as Markdown or as HTML; one file has all of it, pictures too.

All text is plain: what would be markup in it is escaped, so a name that a person chose shows as it
was typed.
"""

import base64
import re
from collections.abc import Sequence
from html import escape
from typing import Final, NamedTuple


class Heading(NamedTuple):
    """A heading; `level` 1 is the title."""

    text: str
    level: int = 2


class Paragraph(NamedTuple):
    """A paragraph."""

    text: str


class Points(NamedTuple):
    """A list."""

    texts: Sequence[str]


class Table(NamedTuple):
    """A table."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]


class Code(NamedTuple):
    """Lines to copy."""

    text: str


class Drawing(NamedTuple):
    """A drawing of ours in SVG; `name` is read out in its place."""

    svg: str
    name: str


class Picture(NamedTuple):
    """A picture in WebP; `name` is read out in its place."""

    content: bytes
    name: str


Block = Heading | Paragraph | Points | Table | Code | Drawing | Picture

#: What Markdown, HTML in it, or a formula could begin with.
_MARKUP: Final = re.compile(r"([\\`*_{}\[\]<>#|~$&!])")
#: How a line begins that would be a list or a rule.
_LINE_START: Final = re.compile(r"^(\d*)([-+=.)])")

_STYLE: Final = (
    ":root{color-scheme:light dark}"
    "body{font:16px/1.5 sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse;display:block;overflow-x:auto}"
    "td,th{border:1px solid #8888;padding:.2rem .6rem;text-align:left}"
    "pre{white-space:pre-wrap;overflow-wrap:anywhere;padding:.6rem;background:#8882}"
    "img,svg{max-width:100%;height:auto}"
    # A chart takes the colours of the page, which may be dark.
    "svg{color:inherit}svg>rect{fill:none}"
)


def one_line(text: str) -> str:
    """`text` on one line, without characters that do not print."""
    return "".join(each if each.isprintable() else " " for each in text)


# --- Markdown ---------------------------------------------------------------------------------


def as_markdown(blocks: Sequence[Block], front_matter: str) -> str:
    """The document in Markdown, after `front_matter` in YAML."""
    return "\n\n".join([f"---\n{front_matter}---", *map(_markdown, blocks)]) + "\n"


def _markdown(block: Block) -> str:
    match block:
        case Heading(text, level):
            return f"{'#' * level} {_escaped(text)}"
        case Paragraph(text):
            return _escaped_line(text)
        case Points(texts):
            return "\n".join(f"- {_escaped_line(text)}" for text in texts)
        case Table(head, rows):
            lines = [[_escaped(cell) for cell in row] for row in (head, *rows)]
            lines.insert(1, ["---"] * len(head))
            return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
        case Code(text):
            return "\n".join(f"    {line}" for line in text.splitlines())
        case Drawing(svg, name):
            return f"![{_escaped(name)}]({_uri('image/svg+xml', svg.encode())})"
        case Picture(content, name):
            return f"![{_escaped(name)}]({_uri('image/webp', content)})"


def _escaped(text: str) -> str:
    return _MARKUP.sub(r"\\\1", one_line(text))


def _escaped_line(text: str) -> str:
    return _LINE_START.sub(r"\1\\\2", _escaped(text.strip()))


# --- HTML -------------------------------------------------------------------------------------


def as_html(blocks: Sequence[Block], front_matter: str) -> str:
    """The document in HTML, with `front_matter` as its last section."""
    titles = [block.text for block in blocks if isinstance(block, Heading)]
    body = [*blocks, Heading("Metadata"), Code(front_matter)]
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        # Nothing is loaded from elsewhere, and no script runs.
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">\n"
        '<meta name="viewport" content="width=device-width">\n'
        f"<title>{_text(titles[0])}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(map(_html, body))
        + "\n</body>\n</html>\n"
    )


def _html(block: Block) -> str:
    match block:
        case Heading(text, level):
            return f"<h{level}>{_text(text)}</h{level}>"
        case Paragraph(text):
            return f"<p>{_text(text)}</p>"
        case Points(texts):
            return f"<ul>{''.join(f'<li>{_text(text)}</li>' for text in texts)}</ul>"
        case Table(head, rows):
            body = "".join(_row(row, "td") for row in rows)
            return f"<table><thead>{_row(head, 'th')}</thead><tbody>{body}</tbody></table>"
        case Code(text):
            return f"<pre>{escape(text)}</pre>"
        case Drawing(svg, name):
            return f'<p role="img" aria-label="{_text(name)}">{svg}</p>'
        case Picture(content, name):
            return f'<p><img src="{_uri("image/webp", content)}" alt="{_text(name)}"></p>'


def _row(cells: Sequence[str], tag: str) -> str:
    return f"<tr>{''.join(f'<{tag}>{_text(cell)}</{tag}>' for cell in cells)}</tr>"


def _text(text: str) -> str:
    return escape(one_line(text))


def _uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
