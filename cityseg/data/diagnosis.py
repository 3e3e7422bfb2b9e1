"""What lies in a folder in which no frames, or only halves of frames, were found.

The folder is looked through down to a depth and a number of entries, so that a home folder named
by mistake costs no more than a moment.
"""

import os
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cityseg.data.layouts import (
    ANNOTATIONS,
    COARSE,
    IMAGE_SUFFIXES,
    IMAGES,
    LAYOUTS,
    SPLITS,
    is_directory,
)

_MAX_DEPTH: Final = 6
_MAX_ENTRIES: Final = 30_000
_TOPS: Final = {name.casefold(): name for name in (IMAGES, ANNOTATIONS, COARSE)}
_IMAGE_END: Final = f"_{IMAGES}.png"
_ANNOTATION_END: Final = f"_{ANNOTATIONS}_labelIds.png"
_NUMBER: Final = re.compile(r"_\d[\d.]*(?=[_.])")
_ANNOTATION: Final = re.compile(r"_gt|label|instance|color|polygon|mask", re.IGNORECASE)


@dataclass(slots=True)
class _Ending:
    """Files whose names end alike: their number, and the first of them."""

    first: Path
    count: int = 0


@dataclass(slots=True)
class _Survey:
    """Endings of the pictures and annotations below a root, tops with their splits, and zips."""

    endings: dict[str, _Ending] = field(default_factory=dict)
    split_folders: list[Path] = field(default_factory=list)
    zips: list[str] = field(default_factory=list)


def what_is_there(
    root: Path, *, wanted: str = "image", splits: Sequence[str] = (), found: Sequence[str] = ()
) -> str:
    """What lies in `root` instead of the `wanted` half, "image" or "label_ids".

    `splits` are those without frames, `found` those with frames. Sentences, a space before each
    and no stop at the end; "" if there is nothing to say.
    """
    survey = _survey(root)
    sentences = [*_second_folders(root, survey, splits or SPLITS, found)] if found else []
    if not found:
        sentences += _other_endings(root, survey, wanted)
        if survey.zips:
            sentences.append(
                f"{survey.zips[0]} is still packed: import it (python -m cityseg import)"
            )
        if not survey.endings and not survey.zips:
            sentences.append("No picture was found there")
    return "".join(f" {sentence}." for sentence in sentences).removesuffix(".")


def named_inside(root: Path) -> str:
    """A sentence if `root` is the folder of images or annotations itself, or one in it, else ""."""
    parts = root.absolute().parts
    for level in (1, 2, 3):
        top = _TOPS.get(parts[-level].casefold()) if level < len(parts) else None
        below = parts[len(parts) - level + 1 :]
        if top and not below:
            return f"You named {top} itself: name its parent, {Path(*parts[:-1])}"
        if top and below[0].casefold() in SPLITS:
            above = Path(*parts[:-level])
            return f"You named {'/'.join((top, *below))}: name the folder above it, {above}"
    return ""


def _survey(root: Path) -> _Survey:
    survey = _Survey()
    for seen, (entry, depth) in enumerate(_walk(root), 1):
        if seen > _MAX_ENTRIES:
            break
        path = Path(entry.path)
        if entry.name.casefold() in SPLITS and path.parent.name.casefold() in _TOPS:
            survey.split_folders.append(path)
        suffix = path.suffix.lower()
        if suffix == ".zip" and depth <= 1:
            survey.zips.append(entry.name)
        if suffix in (*IMAGE_SUFFIXES, ".json", ".gif", ".bmp", ".tif", ".tiff", ".ppm"):
            ending = survey.endings.setdefault(ending_of(entry.name), _Ending(path))
            ending.count += 1
    return survey


def _walk(root: Path) -> Iterator[tuple[os.DirEntry[str], int]]:
    """Visible entries below `root`, level by level, with their depth; closed folders are empty."""
    folders: list[str | Path] = [root]
    for depth in range(_MAX_DEPTH):
        below: list[str | Path] = []
        for folder in folders:
            try:
                with os.scandir(folder) as entries:
                    for entry in entries:
                        if not entry.name.startswith("."):
                            yield entry, depth
                            if is_directory(entry) and entry.name != "masks":
                                below.append(entry.path)
            except OSError:
                continue
        folders = sorted(below, key=str)


def ending_of(name: str) -> str:
    """The end of a file's name after its numbers, such as `_rgb_anon.png`, or the suffix.

    Numbers in it, such as a density of fog, become N.
    """
    match = re.fullmatch(r".*\d(_[a-z].*)", name, re.IGNORECASE | re.DOTALL)
    return _NUMBER.sub("_N", match[1]) if match else os.path.splitext(name)[1]


def _tops_with(name: str, splits: Sequence[str], survey: _Survey) -> Iterator[Path]:
    """The folders called `name` that have one of `splits`, the least deep first."""
    for folder in survey.split_folders:
        if folder.parent.name.casefold() == name and folder.name.casefold() in splits:
            yield folder.parent


def _second_folders(
    root: Path, survey: _Survey, splits: Sequence[str], found: Sequence[str]
) -> Iterator[str]:
    """A sentence for each split that lies elsewhere, with the commands that link it.

    A split that lies in one second folder alone is read there, so there is another, or it is deep.
    """
    for split in splits:
        folders = [each for each in survey.split_folders if each.name.casefold() == split]
        links: dict[str, str] = {}
        for folder in folders:
            top = folder.parent.name.casefold()
            if beside := next(_tops_with(top, found, survey), None):
                command = ("ln", "-s", folder.absolute(), f"{beside.absolute()}/")
                links.setdefault(top, shlex.join(map(str, command)))
        if links:
            first = next((f for f in folders if f.parent.name == IMAGES), folders[0])
            yield (
                f"{split} lies in a second folder, {first.relative_to(root)}: link it beside the "
                f"other splits with {' && '.join(links.values())}"
            )


def _other_endings(root: Path, survey: _Survey, wanted: str) -> Iterator[str]:
    """A sentence for each of the two most frequent endings that may be the wanted files'."""
    end = _IMAGE_END if wanted == "image" else _ANNOTATION_END
    counts = sorted(survey.endings.items(), key=lambda item: (-item[1].count, item[0]))
    fitting = [
        (name, ending)
        for name, ending in counts
        if bool(_ANNOTATION.search(name)) == (wanted != "image")
        and not (wanted == "image" and name.lower().endswith(".json"))
        and not (wanted != "image" and name.casefold() == _IMAGE_END.casefold())
    ]
    for name, ending in fitting[:2]:
        where = f"the first is {ending.first.relative_to(root)}"
        files = "1 file ends" if ending.count == 1 else f"{ending.count:,} files end"
        if name.casefold() == end.casefold():
            top, kind = (IMAGES, "images") if wanted == "image" else (ANNOTATIONS, "annotations")
            yield (
                f"{files} in {name}, but not in folders {top}/<split>/<city> ({where}): {kind} "
                "are looked for there only"
            )
        else:
            yield f"{files} in {name}; wanted {end} ({where}){_layout_of(name)}"


def _layout_of(ending: str) -> str:
    """Where another layout has files with this ending, if one has."""
    root = os.path.splitext(ending)[0]
    for layout in LAYOUTS[1:]:
        for side in (layout.images, *layout.annotations):
            for kind in side.kinds:
                if kind.tag and not kind.tag.startswith(f"_{IMAGES}") and kind.tag == root:
                    folders = side.folders[0].replace("{", "<").replace("}", ">")
                    return f", or the folders of {layout.name}: {folders}"
    return ""
