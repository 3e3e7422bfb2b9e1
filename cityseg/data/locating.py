"""Recognise the layout of a dataset by its folders, and find the base folders of both sides.

Images and annotations may have bases of their own, up to two levels below the root, as zips are
often unpacked (`leftImg8bit_trainvaltest/leftImg8bit` beside `gtFine_trainvaltest/gtFine`). A root
that is the folder of the images alone finds the annotations beside it. Splits that are missing are
read from a second base, if only one has them.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from cityseg.data.layouts import (
    ANNOTATIONS,
    COARSE,
    IMAGES,
    LAYOUTS,
    SPLIT_NAMES,
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
MAX_LEVEL: Final = 2
_MAX_FOLDERS: Final = 1000
#: Levels above a folder in which the dataset is looked for that it may belong to.
_MAX_ABOVE: Final = 4


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

    def sides(self) -> Iterator[tuple[Side, tuple[Part, ...]]]:
        """The sides of the layout, each with its parts."""
        return zip(
            (self.layout.images, *self.layout.annotations),
            (self.images, *self.annotations),
            strict=True,
        )

    def folders(self) -> list[Path]:
        """All folders from the bases down to those of files, sorted. Raises OSError."""
        found: set[Path] = set()
        for side, parts in self.sides():
            for part in parts:
                for place in places_of((part,), side):
                    names = place.path.relative_to(part.base).parts
                    above = (part.base.joinpath(*names[:n]) for n in range(len(names) + 1))
                    found.update(above)
        return sorted(found)


class _Base(NamedTuple):
    path: Path
    level: int
    children: frozenset[str]  # without case

    @classmethod
    def of(cls, path: Path, level: int = 0) -> "_Base":
        return cls(path, level, frozenset(map(str.casefold, subfolders(path))))


def places_of(parts: Iterable[Part], side: Side, splits: Sequence[str] = SPLITS) -> Iterator[Place]:
    """The folders of one side in its `parts`. Raises OSError."""
    for base, there in parts:
        wanted = [split for split in splits if split in there]
        for pattern in side.folders:
            yield from places(base, pattern, wanted)


class Found(NamedTuple):
    """The layout of a dataset; if there is none, one whose images only annotations would prove."""

    located: Located | None
    half: Located | None = None


def locate(root: Path, layout: Layout | None = None) -> Found:
    """Find the layout of the dataset in `root`, or where `layout` lies.

    A folder without files hides no deeper one. Raises OSError if `root` cannot be read.
    """
    empty: Located | None = None
    half: Located | None = None
    for located in _candidates(root, (layout,) if layout else LAYOUTS):
        if _has_files(located.images, located.layout.images):
            if _is_convincing(located):
                return Found(located)
            half = half or located
        if located.layout in (layout, LAYOUTS[0]):
            empty = empty or located
    return Found(empty, half)


def _candidates(root: Path, layouts: Sequence[Layout]) -> Iterator[Located]:
    """The layouts and places in which the folders of images exist."""
    bases = _Remembered(_bases(root))
    for layout in layouts:
        for base in bases:
            if _has_places(base, layout.images) and not _is_in_split(base, layout):
                yield _with_annotations(root, layout, base, bases)


def _is_in_split(base: _Base, layout: Layout) -> bool:
    """Whether `base` is the folder of a split in a dataset of another layout.

    A layout that has all frames in train would lose the others.
    """
    splits = any("{split}" in pattern for pattern in layout.images.folders)
    return not splits and base.level > 0 and base.path.name.casefold() in SPLIT_NAMES


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
    for level in range(MAX_LEVEL + 1):
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
        base = _annotations(root, side, images, bases)
        found.append(_parts(base, side, bases) if base else ())
    return Located(layout, _parts(images, layout.images, bases), tuple(found))


def _parts(first: _Base, side: Side, bases: Iterable[_Base]) -> tuple[Part, ...]:
    """`first` with all splits but those that only one other base has, and these others.

    A base that has a split of `first`, too, is another dataset.
    """
    try:
        taken = _splits_in(first.path, side)
    except OSError:  # closed to us: named when its files are listed
        return (Part(first.path, SPLITS),)
    others: list[Part] = []
    for base in bases:
        if base.level > max(first.level, 1):
            break
        if base.path == first.path or not _has_places(base, side):
            continue
        try:
            splits = _splits_in(base.path, side)
        except OSError:
            continue
        if splits and not taken & splits:
            others.append(Part(base.path, tuple(sorted(splits))))
    count = Counter(split for part in others for split in part.splits)
    others = [part for part in others if all(count[split] == 1 for split in part.splits)]
    rest = [split for split in SPLITS if not any(split in part.splits for part in others)]
    return (Part(first.path, tuple(rest)), *others)


def _splits_in(base: Path, side: Side) -> set[str]:
    """The splits of which `base` has a file. Raises OSError."""
    found: set[str] = set()
    for place in places_of([Part(base, SPLITS)], side):
        if place.split not in found and any(True for _ in files_in(place.path, side)):
            found.add(place.split)
    return found


def _annotations(root: Path, side: Side, images: _Base, bases: Iterable[_Base]) -> _Base | None:
    """The base of annotations: that of the images, else the nearest to the root."""
    if _has_places(images, side):
        return images
    if not any("{split}" in pattern for pattern in side.folders):
        return None  # plain names such as `labels` mean nothing in another folder
    for base in bases:
        # Absent annotations are the rule (gtCoarse), so this looks no further than one level.
        if base.level > images.level + 1:
            break
        if _has_places(base, side):
            return base
    return next((base for base in _siblings(root) if _has_places(base, side)), None)


def _siblings(root: Path) -> Iterator[_Base]:
    """Folders with annotations beside a root that holds images alone."""
    root = root.absolute()
    if not root.name.casefold().startswith(IMAGES.casefold()):
        return
    try:
        for name in subfolders(root.parent):
            if name.casefold().startswith((ANNOTATIONS.casefold(), COARSE.casefold())):
                yield _Base.of(root.parent / name)
    except OSError:
        return


def _has_places(base: _Base, side: Side) -> bool:
    """Whether the folders of `side` are below `base`; a folder closed to us counts."""
    for pattern in side.folders:
        first = pattern.split("/")[0].casefold()
        known = base.children & (SPLIT_NAMES.keys() if first == "{split}" else {first})
        if not known:
            continue
        try:
            if any(True for _ in places(base.path, pattern, SPLITS)):
                return True
        except OSError:
            return True
    return False


def _has_files(parts: Sequence[Part], side: Side) -> bool:
    """Whether one of the folders has a file of `side`; a folder closed to us counts."""
    try:
        return any(
            any(True for _ in files_in(place.path, side)) for place in places_of(parts, side)
        )
    except OSError:
        return True


def _is_convincing(located: Located) -> bool:
    """Whether file names or annotations confirm the layout: any picture is `images/*.png`."""
    (images, _), *annotations = located.sides()
    return any(kind.tag for kind in images.kinds) or any(
        _has_files(parts, side) for side, parts in annotations
    )


def second_places(root: Path, located: Located) -> list[tuple[Path, Place]]:
    """Folders with files that belong to the layout and are not read, each after its base.

    Raises OSError.
    """
    read = {place.path for side, parts in located.sides() for place in places_of(parts, side)}
    found: list[tuple[Path, Place]] = []
    for base in _bases(root):
        for side in (side for side, _ in located.sides()):
            if _has_places(base, side):
                with suppress(OSError):
                    found += [
                        (base.path, place)
                        for place in places_of([Part(base.path, SPLITS)], side)
                        if place.path not in read and any(True for _ in files_in(place.path, side))
                    ]
    return found


def enclosing(root: Path) -> tuple[Layout, Path] | None:
    """The dataset that `root` is a folder of: its layout and its root. Raises no OSError."""
    root = root.absolute()
    for base in root.parents[:_MAX_ABOVE]:
        below = root.relative_to(base).parts
        for layout in LAYOUTS:
            for side in (layout.images, *layout.annotations):
                if any(_leads_through(pattern, below) for pattern in side.folders):
                    with suppress(OSError):
                        around = _Base.of(base)
                        if _has_places(around, layout.images):
                            return layout, base
    return None


def _leads_through(pattern: str, below: Sequence[str]) -> bool:
    """Whether the folders `below` a base are the first ones of a pattern."""
    wanted = pattern.split("/")
    return len(below) <= len(wanted) and all(
        part == "{city}"
        or (part == "{split}" and name.casefold() in SPLIT_NAMES)
        or part.casefold() == name.casefold()
        for part, name in zip(wanted, below, strict=False)
    )
