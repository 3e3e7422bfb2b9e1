"""The names of the official train and val frames, for copies of Cityscapes that number them.

`frame_names.txt.xz` has a line `<split>/<stem>` for each: plain facts, as public training
lists have them.
"""

import lzma
from functools import cache
from importlib.resources import files


@cache
def official_stems(split: str) -> tuple[str, ...]:
    """The stems of the 2975 train or 500 val frames, sorted; none for another split."""
    content = (files("cityseg.data") / "frame_names.txt.xz").read_bytes()
    names = lzma.decompress(content).decode().splitlines()
    return tuple(name.removeprefix(f"{split}/") for name in names if name.startswith(f"{split}/"))
