"""Recognise the layout of a dataset by its folders, and find the base folders of both sides.

Images and annotations may have bases of their own, up to two levels below the root, as zips are
often unpacked (`leftImg8bit_trainvaltest/leftImg8bit` beside `gtFine_trainvaltest/gtFine`). A root
that is the folder of the images alone finds the annotations beside it. Splits that are missing are
read from a second base, if only one has them.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from cityseg.data.layouts import (
    ANNOTATIONS,
    COARSE,
    IMAGES,
    LAYOUTS,
    SPLITS,
    Layout,
    Place,
    Side,
    files_in,
    places,
    subfolders,
)

#: Levels of folders below the root in which a base is looked for, and folders looked into, so
#: that a home folder named by mistake is not walked for minutes.
_MAX_LEVEL: Final = 2
_MAX_FOLDERS: Final = 1000


class Part(NamedTuple):
    """A base folder, and the splits that are read there."""

    base: Path
    splits: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Located:
    """A layout with the parts of its images and of each side of annotations, none if absent."""

    layout: Layout
    images: tuple[Part, ...]
    annotations: tuple[tuple[Part, ...], ...]

    def folders(self) -> list[Path]:
        """All folders from the bases down to those of files, sorted. Raises OSError."""
        sides = (self.layout.images, *self.layout.annotations)
        found: set[Path] = set()
        for parts, side in zip((self.images, *self.annotations), sides, strict=True):
            for base, splits in parts:
                for place in places_of(base, side, self.layout, splits):
                    names = place.path.relative_to(base).parts
                    found.update(base.joinpath(*names[:count]) for count in range(len(names) + 1))
        return sorted(found)


class _Base(NamedTuple):
    path: Path
    level: int
    children: frozenset[str]  # without case


def places_of(
    base: Path, side: Side, layout: Layout, splits: Sequence[str] = SPLITS
) -> Iterator[Place]:
    """The folders of one side below its `base`. Raises OSError."""
    for pattern in side.folders:
        yield from places(base, pattern, layout, splits)


def locate(root: Path, layout: Layout | None = None) -> Located | None:
    """The layout of the dataset in `root`, or where `layout` lies; None if there is none.

    A folder without files hides no deeper one. Raises OSError if `root` cannot be read.
    """
    candidates = (layout,) if layout else LAYOUTS
    bases = _Remembered(_bases(root))
    empty: Located | None = None
    for candidate in candidates:
        for base in bases:
            if not _has_places(base, candidate.images, candidate):
                continue
            located = _with_annotations(root, candidate, base, bases)
            if _has_files(base.path, candidate.images, candidate) and _is_convincing(located):
                return located
            if candidate is candidates[0]:
                empty = empty or located
    return empty


class _Remembered:
    """The items of an iterator, which is read once and only as far as somebody asks."""

    def __init__(self, items: Iterator[_Base]) -> None:
        self._rest, self._seen = items, list[_Base]()

    def __iter__(self) -> Iterator[_Base]:
        yield from self._seen
        for item in self._rest:
            self._seen.append(item)
            yield item


def _bases(root: Path) -> Iterator[_Base]:
    """`root` and the folders below it, level by level. Raises OSError if `root` is closed."""
    folders, looked_into = [root], 0
    for level in range(_MAX_LEVEL + 1):
        below: list[Path] = []
        for folder in folders:
            try:
                names = subfolders(folder)
            except OSError:
                if folder is root:
                    raise
                continue
            yield _Base(folder, level, frozenset(map(str.casefold, names)))
            below += [folder / name for name in names]
            looked_into += 1
            if looked_into >= _MAX_FOLDERS:
                return
        folders = below


def _with_annotations(root: Path, layout: Layout, images: _Base, bases: Iterable[_Base]) -> Located:
    found = []
    for side in layout.annotations:
        base = _annotations(root, layout, side, images, bases)
        found.append(_parts(base, side, layout, bases) if base else ())
    return Located(layout, _parts(images, layout.images, layout, bases), tuple(found))


def _parts(first: _Base, side: Side, layout: Layout, bases: Iterable[_Base]) -> tuple[Part, ...]:
    """`first` with all splits but those that only one other base has, and these others.

    A base that has a split of `first`, too, is another dataset.
    """
    try:
        taken = _splits_in(first.path, side, layout)
    except OSError:  # closed to us: named when its files are listed
        return (Part(first.path, SPLITS),)
    others: list[Part] = []
    for base in bases:
        if base.level > max(first.level, 1):
            break
        if base.path == first.path or not _has_places(base, side, layout):
            continue
        try:
            splits = _splits_in(base.path, side, layout)
        except OSError:
            continue
        if splits and not taken & splits:
            others.append(Part(base.path, tuple(sorted(splits))))
    count = Counter(split for part in others for split in part.splits)
    others = [part for part in others if all(count[split] == 1 for split in part.splits)]
    rest = [split for split in SPLITS if not any(split in part.splits for part in others)]
    return (Part(first.path, tuple(rest)), *others)


def _splits_in(base: Path, side: Side, layout: Layout) -> set[str]:
    """The splits of which `base` has a file. Raises OSError."""
    found: set[str] = set()
    for place in places_of(base, side, layout):
        if place.split not in found and any(True for _ in files_in(place.path, side)):
            found.add(place.split)
    return found


def _annotations(
    root: Path, layout: Layout, side: Side, images: _Base, bases: Iterable[_Base]
) -> _Base | None:
    """The base of annotations: that of the images, else the nearest to the root."""
    if _has_places(images, side, layout):
        return images
    if not any("{split}" in pattern for pattern in side.folders):
        return None  # plain names such as `labels` mean nothing in another folder
    for base in bases:
        # Absent annotations are the rule (gtCoarse), so this looks no further than one level.
        if base.level > images.level + 1:
            break
        if _has_places(base, side, layout):
            return base
    return next((base for base in _siblings(root) if _has_places(base, side, layout)), None)


def _siblings(root: Path) -> Iterator[_Base]:
    """Folders with annotations beside a root that holds images alone."""
    root = root.absolute()
    if not root.name.casefold().startswith(IMAGES.casefold()):
        return
    try:
        for name in subfolders(root.parent):
            if name.casefold().startswith((ANNOTATIONS.casefold(), COARSE.casefold())):
                path = root.parent / name
                yield _Base(path, 0, frozenset(map(str.casefold, subfolders(path))))
    except OSError:
        return


def _has_places(base: _Base, side: Side, layout: Layout) -> bool:
    """Whether the folders of `side` are below `base`; a folder closed to us counts."""
    for pattern in side.folders:
        first = pattern.split("/")[0].casefold()
        known = base.children & layout.split_names.keys() if first == "{split}" else base.children
        if not known or (first != "{split}" and first not in known):
            continue
        try:
            if any(True for _ in places(base.path, pattern, layout, SPLITS)):
                return True
        except OSError:
            return True
    return False


def _has_files(base: Path, side: Side, layout: Layout) -> bool:
    """Whether one of the folders has a file of `side`; a folder closed to us counts."""
    try:
        return any(
            any(True for _ in files_in(place.path, side)) for place in places_of(base, side, layout)
        )
    except OSError:
        return True


def _is_convincing(located: Located) -> bool:
    """Whether file names or annotations confirm the layout: any picture is `images/*.png`."""
    layout = located.layout
    return any(kind.tag for kind in layout.images.kinds) or any(
        _has_files(part.base, side, layout)
        for parts, side in zip(located.annotations, layout.annotations, strict=True)
        for part in parts
    )
