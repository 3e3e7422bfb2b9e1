"""The picture files that a person names: files, folders, patterns."""

import glob
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cityseg.data.images import PICTURE_SUFFIXES
from cityseg.errors import Skipped

#: Kinds of what is left out, beside the endings of files.
_FOLDERS: Final = "folders"
_NO_ENDING: Final = "files without an ending"
_ADDRESS: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


@dataclass(frozen=True, slots=True)
class PictureFiles:
    """What was found: the files in the order named, folders by name.

    `problems` holds a name that led to no picture each; `left_out` has, by folder, how many files
    of each ending and folders are no pictures.
    """

    paths: list[Path] = field(default_factory=list)
    problems: list[Skipped] = field(default_factory=list)
    left_out: dict[Path, Counter[str]] = field(default_factory=dict)


def find_pictures(
    names: Iterable[str],
    *,
    recursive: bool = False,
    without: Iterable[Path] = (),
    advice: str = "--recursive reads its folders",
) -> PictureFiles:
    """The picture files of `names`: files, folders (all their pictures), or patterns with * ? [].

    A folder's own folders are read only with `recursive`; its hidden files and the folders
    `without`, to which results are written, never are. Links are followed, each folder once. A
    file that is named is taken whatever its ending: `read_image` says whether it is a picture.
    `advice` is given where a folder has only folders.
    """
    found = PictureFiles()
    seen = set(map(os.path.realpath, without))
    for name in names:
        if _ADDRESS.match(name):
            found.problems.append(
                Skipped("address", f"{name} is an address: download the picture and name its file")
            )
        elif os.path.lexists(name) or not glob.has_magic(name):
            _add(found, Path(name), recursive, seen, advice)
        elif matches := sorted(glob.glob(name, recursive=True)):  # noqa: PTH207 - may be absolute
            for match in matches:
                _add(found, Path(match), recursive, seen, advice)
        else:
            found.problems.append(
                Skipped("no_match", f"No file matches {name}: check the pattern and the folder")
            )
    return found


def _add(found: PictureFiles, path: Path, recursive: bool, seen: set[str], advice: str) -> None:
    if not path.is_dir():
        found.paths.append(path)
        return
    before, left_out = len(found.paths), found.left_out.setdefault(path, Counter())
    try:
        found.paths.extend(_pictures_in(path, recursive, left_out, seen))
    except OSError as error:
        detail = f"{error.filename} cannot be read ({error.strerror}): check its permissions"
        found.problems.append(Skipped("unreadable", detail))
        return
    if len(found.paths) == before:
        lies = f"it has {describe_left_out(left_out)}" if left_out else "it is empty"
        what_to_do = f"; {advice}" if left_out[_FOLDERS] else ""
        detail = f"{path} has no pictures: {lies}{what_to_do}"
        found.problems.append(Skipped("no_pictures", detail))


def _pictures_in(
    folder: Path, recursive: bool, left_out: Counter[str], seen: set[str]
) -> Iterator[Path]:
    seen.add(os.path.realpath(folder))
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if path.is_dir():
            if os.path.realpath(path) in seen:
                continue
            if recursive:
                yield from _pictures_in(path, recursive, left_out, seen)
            else:
                left_out[_FOLDERS] += 1
        elif path.suffix.lower() in PICTURE_SUFFIXES:
            yield path
        else:
            left_out[path.suffix.lower() or _NO_ENDING] += 1


def describe_left_out(left_out: Counter[str]) -> str:
    """For example '12 .txt, 3 folders, 1 .mp4'."""
    of_one = {_FOLDERS: "folder", _NO_ENDING: "file without an ending"}
    return ", ".join(
        f"{count} {of_one.get(kind, kind) if count == 1 else kind}"
        for kind, count in left_out.most_common()
    )
