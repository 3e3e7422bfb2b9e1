"""What lies in a folder in which no frames, only halves of them, or not all were found.

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
    SPLIT_NAMES,
    SPLITS,
    Side,
    is_directory,
)
from cityseg.data.locating import MAX_LEVEL, enclosing

_MAX_DEPTH: Final = 10
_MAX_ENTRIES: Final = 30_000
_TOPS: Final = {name.casefold(): name for name in (IMAGES, ANNOTATIONS, COARSE)}
_IMAGE_END: Final = f"_{IMAGES}.png"
_ANNOTATION_END: Final = f"_{ANNOTATIONS}_labelIds.png"
_ANNOTATION: Final = re.compile(
    r"_gt|label|instance|color|polygon|mask|_train_?id|\.json$", re.IGNORECASE
)
_PICTURES: Final = (*IMAGE_SUFFIXES, ".json", ".gif", ".bmp", ".tif", ".tiff", ".ppm")
_ARCHIVES: Final = (".tar", ".gz", ".tgz", ".rar", ".7z")
_NUMBER: Final = re.compile(r"_\d[\d.]*(?=[_.])")


@dataclass(slots=True)
class _Ending:
    """Files of one half whose names end alike: their number, and the first of them."""

    first: Path
    count: int = 0


@dataclass(slots=True)
class _Survey:
    """What lies below a root: endings by half, "image" or "label_ids", and their files' names."""

    endings: dict[tuple[str, str], _Ending] = field(default_factory=dict)
    tops: list[Path] = field(default_factory=list)
    archives: list[Path] = field(default_factory=list)
    is_whole: bool = True


def what_is_there(root: Path, *, wanted: str = "image") -> str:
    """What lies in `root` instead of the `wanted` half, "image" or "label_ids".

    Sentences, a space before each and no stop at the end; "" if there is nothing to say.
    """
    survey = _survey(root)
    sentences = list(_deeper_tops(root, survey)) or list(_other_endings(root, survey, wanted))
    if survey.archives:
        name = survey.archives[0].relative_to(root)
        is_zip = name.suffix.lower() == ".zip"
        paths = shlex.join(map(str, (survey.archives[0], "--data", root)))
        how = (
            f"import it (python -m cityseg import {paths})"
            if is_zip
            else "unpack it with another program"
        )
        sentences.append(f"{name} is still packed: {how}")
    if not survey.endings and not survey.archives:
        where = "there" if survey.is_whole else f"among the first {_MAX_ENTRIES:,} files there"
        sentences.append(f"No picture was found {where}")
    return "".join(f" {sentence}." for sentence in sentences).removesuffix(".")


def named_inside(root: Path) -> str:
    """A sentence if `root` is a folder of images or annotations itself, or one in it, else ""."""
    parts = root.absolute().parts
    for level in (1, 2, 3):
        top = _TOPS.get(parts[-level].casefold()) if level < len(parts) else None
        below = parts[len(parts) - level + 1 :]
        if top and not below:
            return f"You named {top} itself: name its parent, {Path(*parts[:-1])}"
        if top and below[0].casefold() in SPLIT_NAMES:
            above = Path(*parts[:-level])
            return f"You named {'/'.join((top, *below))}: name the folder above it, {above}"
    if found := enclosing(root):
        layout, above = found
        below = root.absolute().relative_to(above).parts
        return f"You named {'/'.join(below)} of {layout.name}: name the folder above it, {above}"
    return ""


def folders_of(side: Side) -> str:
    """Where the files of a side lie, for messages."""
    return side.folders[0].replace("{", "<").replace("}", ">")


def _survey(root: Path) -> _Survey:
    survey = _Survey()
    for seen, entry in enumerate(_walk(root), 1):
        if seen > _MAX_ENTRIES:
            survey.is_whole = False
            break
        path = Path(entry.path)
        suffix = path.suffix.lower()
        if entry.name.casefold() in SPLIT_NAMES and path.parent.name.casefold() in _TOPS:
            survey.tops.append(path.parent)
        if suffix in (".zip", *_ARCHIVES):
            survey.archives.append(path)
        if suffix in _PICTURES:
            name = ending_of(entry.name)
            half = _half(path.relative_to(root).parts[:-1], name)
            survey.endings.setdefault((half, name), _Ending(path)).count += 1
    return survey


def _half(folders: Sequence[str], ending: str) -> str:
    """The half that a file belongs to, by its folders, else by the end of its name."""
    for folder in map(str.casefold, folders):
        if folder.startswith(IMAGES.casefold()):
            return "image"
        if folder.startswith((ANNOTATIONS.casefold(), COARSE.casefold())):
            return "label_ids"
    return "label_ids" if _ANNOTATION.search(ending) else "image"


def _walk(root: Path) -> Iterator[os.DirEntry[str]]:
    """Visible entries below `root`, level by level; closed folders are empty."""
    folders: list[str | Path] = [root]
    for _ in range(_MAX_DEPTH):
        below: list[str | Path] = []
        for folder in folders:
            try:
                with os.scandir(folder) as entries:
                    for entry in entries:
                        if not entry.name.startswith("."):
                            yield entry
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


def _deeper_tops(root: Path, survey: _Survey) -> Iterator[str]:
    """A sentence if a dataset lies deeper than it is looked for."""
    for top in survey.tops:
        if len(top.relative_to(root).parts) > MAX_LEVEL + 1:
            yield f"{top.name} lies deeper: name the folder that holds it, {top.parent}"
            return


def _other_endings(root: Path, survey: _Survey, wanted: str) -> Iterator[str]:
    """A sentence for each of the two most frequent endings that may be the wanted files'."""
    halves = {name: ending for (half, name), ending in survey.endings.items() if half == wanted}
    counts = sorted(halves.items(), key=lambda item: (-item[1].count, item[0]))
    for name, ending in counts[:2]:
        yield _ending_sentence(root, name, ending, wanted)
    if not counts and wanted == "image":
        for (_, name), ending in list(survey.endings.items())[:1]:
            yield (
                f"{_files(ending.count)} in {name}, but there are no images: import "
                f"{IMAGES}_trainvaltest.zip"
            )


def _files(count: int) -> str:
    return "1 file ends" if count == 1 else f"{count:,} files end"


def _ending_sentence(root: Path, name: str, ending: _Ending, wanted: str) -> str:
    where = f"the first is {ending.first.relative_to(root)}"
    end = _IMAGE_END if wanted == "image" else _ANNOTATION_END
    if name.casefold() != end.casefold():
        is_image = wanted == "image" and name.startswith(f"_{IMAGES}.")
        others = ", .jpg, .jpeg or .webp" if is_image else ""
        layout = _layout_of(name)
        return f"{_files(ending.count)} in {name}; wanted {end}{others} ({where}){layout}"
    top, kind = (IMAGES, "images") if wanted == "image" else (ANNOTATIONS, "annotations")
    return (
        f"{_files(ending.count)} in {name}, but not in folders {top}/<split>/<city> ({where}): "
        f"{kind} are looked for there only, and <split> is one of {', '.join(SPLITS)}"
    )


#: Other layouts share these files with the official one.
_OFFICIAL_TAGS: Final = {"", *(k.tag for side in LAYOUTS[0].annotations for k in side.kinds)}


def _layout_of(ending: str) -> str:
    """Where another layout has files with this ending, if one has."""
    root = os.path.splitext(ending)[0]
    for layout in LAYOUTS[1:]:
        for side in (layout.images, *layout.annotations):
            for kind in side.kinds:
                if kind.tag == root and root not in _OFFICIAL_TAGS:
                    return f", or the folders of {layout.name}: {folders_of(side)}"
    return ""
