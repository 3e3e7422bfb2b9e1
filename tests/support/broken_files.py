"""Ways in which a file is broken: as crashes, disks, editors and other programs do it."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

#: In place of a value; the text of JSON, as no Python value stands for some of them.
VALUES = (
    "1e999",
    "-1",
    "0",
    "1e300",
    "NaN",
    "1" * 400,
    "1" * 5000,
    "true",
    "null",
    '"text"',
    '""',
    '"a\\u0000b"',
    '"\\ud800"',
    "[]",
    "{}",
    "[1, 2]",
    '{"a": 1}',
    "[" * 30 + "]" * 30,
    "[" * 3000 + "]" * 3000,
)
_HOLE = "\x00hole\x00"


@st.composite
def breakages(draw: st.DrawFn, content: bytes) -> bytes | str:
    """`content` broken in one way; text names what is in place of a file."""
    kind = draw(st.sampled_from(("value", "value", "field", "twice", "bytes", "cut", "other")))
    if kind == "bytes" and content:
        return _flipped(content, draw(st.integers(0, 1 << 30)), draw(st.integers(1, 255)))
    if kind == "cut":
        return content[: draw(st.integers(0, len(content)))]
    if kind in ("value", "field", "twice"):
        number, value = draw(st.integers(0, 1 << 30)), draw(st.sampled_from(VALUES))
        if broken := _broken_json(content, kind, number, value):
            return broken
    others = (b"", b"\0" * len(content), b"[" * 100_000, b"[]", b"{}", b"7", b"\xff\xfe")
    return draw(st.sampled_from((*others, "folder", "pipe")))


@contextmanager
def broken(path: Path, content: bytes | str) -> Iterator[None]:
    """`path` with this content, or a "folder" or "pipe" in its place, while the block runs."""
    before = path.read_bytes()
    path.unlink()
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content == "folder":
        path.mkdir()
    else:
        os.mkfifo(path)
    try:
        yield
    finally:
        if path.is_dir():
            path.rmdir()
        else:
            path.unlink(missing_ok=True)
        path.write_bytes(before)


def _flipped(content: bytes, number: int, bits: int) -> bytes:
    at = number % len(content)
    return content[:at] + bytes([content[at] ^ bits]) + content[at + 1 :]


def _broken_json(content: bytes, kind: str, number: int, value: str) -> bytes | None:
    """JSON, or a line of JSON lines, with another value, without a field, or with one twice."""
    lines = content.splitlines(keepends=True)
    try:
        whole: Any = json.loads(content)
        before, after = b"", b""
    except ValueError:
        try:
            at = number % len(lines)
            whole = json.loads(lines[at])
        except (ValueError, ZeroDivisionError):
            return None
        before, after = b"".join(lines[:at]), b"\n" + b"".join(lines[at + 1 :])
    places = list(_places(whole))
    if not places:
        return None
    parent, key = places[number // 7 % len(places)]
    if kind == "field":
        del parent[key]
        return before + json.dumps(whole).encode() + after
    if kind == "twice" and isinstance(parent, dict):
        parent[_HOLE] = parent[key]
        text = json.dumps(whole).replace(json.dumps(_HOLE), json.dumps(key))
        return before + text.encode() + after
    parent[key] = _HOLE
    return before + json.dumps(whole).replace(json.dumps(_HOLE), value).encode() + after


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Each value within lists and objects: what holds it, and under what key."""
    keys = list(value) if isinstance(value, dict) else range(len(value))
    for key in keys if isinstance(value, dict | list) else ():
        yield value, key
        if isinstance(value[key], dict | list):
            yield from _places(value[key])
