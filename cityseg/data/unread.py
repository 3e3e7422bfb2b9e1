"""What lies beside the frames of a dataset and is not read, though it seems to belong to it."""

import os
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from cityseg.data.layouts import (
    LAYOUTS,
    SPLIT_NAMES,
    SPLITS,
    Place,
    canonical,
    files_in,
    is_directory,
    is_file,
)
from cityseg.data.locating import Located, Part, places_of, second_places

#: At most so many sentences.
_LISTED: Final = 4


#: What to do with another layout: the name of it follows.
NAME_LAYOUT: Final = "name it with --layout"


def not_read(
    root: Path,
    located: Located,
    splits: Sequence[str] = SPLITS,
    name_layout: str = NAME_LAYOUT,
) -> list[str]:
    """Links that lead nowhere, and folders of `splits` with frames that are not read.

    Sentences without a stop.
    """
    try:
        sentences = [
            *_dangling(root, located),
            *_second_folders(root, located, splits),
            *_same_names(root, located, splits),
        ]
        if splits == SPLITS:
            sentences += _other_layouts(root, located, name_layout)
    except OSError:
        return []  # a folder closed to us is named where frames are listed
    more = len(sentences) - _LISTED
    return sentences[:_LISTED] + ([f"And {more} more of that kind"] if more > 0 else [])


def _dangling(root: Path, located: Located) -> Iterator[str]:
    """Links in place of tops, splits and cities."""
    tops = {p.split("/")[0].casefold() for side, _ in located.sides() for p in side.folders}
    bases = {part.base for _, parts in located.sides() for part in parts}
    for folder in located.folders():
        with os.scandir(folder) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                is_wanted = entry.name.casefold() in tops if folder in bases else True
                if is_wanted and entry.is_symlink() and not Path(entry.path).suffix:
                    path = Path(entry.path)
                    if not (is_directory(path) or is_file(path)):
                        yield (
                            f"{_below(root, path)} is a link to {path.readlink()}, which cannot be "
                            "reached: mend the link, or remove it"
                        )


def _second_folders(root: Path, located: Located, splits: Sequence[str]) -> Iterator[str]:
    """A sentence for each split that lies elsewhere, with the commands that link a missing one.

    A split that lies in one second folder alone is read there, so there is another, or it is deep.
    """
    tops: dict[str, Path] = {}
    present = set()
    for side, parts in located.sides():
        for place in places_of(parts, side):
            folder = _split_folder(place)
            tops.setdefault(folder.parent.name.casefold(), folder.parent)
            present.add(place.split)
    second = [
        (base, place) for base, place in second_places(root, located) if place.split in splits
    ]
    for split in dict.fromkeys(place.split for _, place in second):
        of_split = {_split_folder(place): base for base, place in second if place.split == split}
        folder, base = next(iter(of_split.items()))
        where = f"a second folder, {_below(root, folder)}"
        if split in present:
            has_images = next(places_of([Part(base, SPLITS)], located.layout.images), None)
            how = f"name the folder {base}" if has_images else "put it in the place of the first"
            yield f"{split} lies also in {where}, which is not read: to use it instead, {how}"
        else:
            links = _links(of_split, tops)
            yield f"{split} lies in {where}: link it beside the other splits{links}"


def _same_names(root: Path, located: Located, splits: Sequence[str]) -> Iterator[str]:
    """A sentence for each two folders that are both read, and have files of the same names."""
    told: set[tuple[Path, ...]] = set()
    for side, parts in located.sides():
        cities: dict[tuple[str, str], dict[Path, None]] = {}
        for split, city, folder in places_of(parts, side, splits):
            cities.setdefault((split, canonical(city)), {})[folder] = None
        for first, *others in cities.values():
            for other in others:
                # Up to the folders in which they differ.
                depth = len(Path(os.path.commonpath([first, other])).parts) + 1
                pair = tuple(_below(root, Path(*each.parts[:depth])) for each in (first, other))
                if pair in told or first.samefile(other):
                    continue
                names = {file.path.name for file in files_in(first, side)}
                if same := sorted(names & {file.path.name for file in files_in(other, side)}):
                    told.add(pair)
                    yield (
                        f"{pair[0]} and {pair[1]} have files of the same names, such as {same[0]}: "
                        f"of these, those in {pair[0]} are read"
                    )


def _links(folders: Iterable[Path], tops: Mapping[str, Path]) -> str:
    """The commands that link one folder of each side into `tops`, if there are such."""
    commands: dict[str, str] = {}
    for folder in folders:
        name = folder.parent.name.casefold()
        if beside := tops.get(name):
            command = ("ln", "-s", folder.absolute(), f"{beside.absolute()}/")
            commands.setdefault(name, shlex.join(map(str, command)))
    return f" with {' && '.join(commands.values())}" if commands else ""


def _split_folder(place: Place) -> Path:
    above = (place.path, *place.path.parents)
    return next((path for path in above if path.name.casefold() in SPLIT_NAMES), place.path)


def _other_layouts(root: Path, located: Located, name_layout: str) -> Iterator[str]:
    """Images of other layouts beside those that are read."""
    for base, _ in located.images:
        for layout in LAYOUTS:
            if layout.images == located.layout.images or not any(
                kind.tag for kind in layout.images.kinds
            ):
                continue
            place = next(places_of([Part(base, SPLITS)], layout.images), None)
            if place and any(True for _ in files_in(place.path, layout.images)):
                top = base / place.path.relative_to(base).parts[0]
                yield f"{_below(root, top)} is not read: {name_layout} {layout.name}"


def _below(root: Path, path: Path) -> Path:
    return path.relative_to(root) if root in path.parents else path
