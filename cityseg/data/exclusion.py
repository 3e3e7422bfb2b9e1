"""Frames that a training leaves out, by a file of names."""

import difflib
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Final, NamedTuple

from cityseg.data.frame import Frame
from cityseg.errors import ConfigError
from cityseg.system import read_at_most

#: Unknown names that a message lists.
_MOST_NAMED: Final = 3
_MOST_BYTES: Final = 16 << 20


class Exclusion(NamedTuple):
    """The names in a file, and where it lies."""

    path: Path
    names: tuple[str, ...]

    def without(self, frames: Sequence[Frame]) -> list[Frame]:
        """The frames that no name means."""
        wanted = {PurePosixPath(name).name for name in self.names}
        excluded = {
            frame.name
            for frame in frames
            if not wanted.isdisjoint(_keys(frame))
            and any(_means(each, frame) for each in self.names)
        }
        return [frame for frame in frames if frame.name not in excluded]

    def check(self, root: Path, frames: Sequence[Frame]) -> None:
        """Raise ConfigError if a name means none of `frames`, all those below `root`."""
        by_key: dict[str, list[Frame]] = {}
        for frame in frames:
            for key in _keys(frame):
                by_key.setdefault(key, []).append(frame)
        unknown = [
            name
            for name in self.names
            if not any(_means(name, frame) for frame in by_key.get(PurePosixPath(name).name, ()))
        ]
        if not unknown:
            return
        stems = sorted({frame.stem for frame in frames})
        shown = ", ".join(_with_nearest(name, stems) for name in unknown[:_MOST_NAMED])
        more = f" and {len(unknown) - _MOST_NAMED} more" if len(unknown) > _MOST_NAMED else ""
        raise ConfigError(
            f"{self.path} names frames that {root} does not have: {shown}{more}: correct these "
            "names or remove them"
        )


def read_exclusion(path: Path) -> Exclusion:
    """Read frame names, one a line: a stem, or the path of a file of the frame in the dataset.

    What follows a # is a comment. Raises ConfigError if the file cannot be read.
    """
    try:
        content = read_at_most(path, _MOST_BYTES)
        if content is None:
            raise ConfigError(f"{path} is too large for a list of frames: name a text file")
        text = content.decode("utf-8-sig")
    except OSError as error:
        raise ConfigError(
            f"The list of excluded frames {path} cannot be read ({error.strerror}): check the path"
        ) from error
    except ValueError as error:
        raise ConfigError(
            f"{path} is no text in UTF-8: name a file with a name in each line"
        ) from (error)
    lines = (line.partition("#")[0].strip().replace("\\", "/") for line in text.splitlines())
    return Exclusion(path, tuple(dict.fromkeys(filter(None, lines))))


def _keys(frame: Frame) -> Iterator[str]:
    """What the last part of a name of `frame` may be."""
    yield frame.stem
    for path in (frame.image, frame.label_ids, frame.instance_ids, frame.polygons):
        if path:
            yield path.name
            yield path.stem


def _means(name: str, frame: Frame) -> bool:
    """Whether `name`, whose last part is one of `_keys`, means `frame`: its folders fit, too."""
    *folders, last = PurePosixPath(name).parts
    if not folders:
        return last in _keys(frame)
    places = [PurePosixPath(frame.name).parts]
    for path in (frame.image, frame.label_ids, frame.instance_ids, frame.polygons):
        if path:
            places += [path.parts, path.with_suffix("").parts]
    wanted = (*folders, last)
    return any(place[-len(wanted) :] == wanted for place in places)


def _with_nearest(name: str, stems: Sequence[str]) -> str:
    nearest = difflib.get_close_matches(PurePosixPath(name).name, stems, n=1, cutoff=0.5)
    return f"{name} (the nearest is {nearest[0]})" if nearest else name
