"""Put the files of each frame together: by split, city and stem.

Names are compared in Unicode's composed form, and without case where that leaves no doubt.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from cityseg.data.layouts import NO_CITY, FrameFile, Side, canonical, files_in
from cityseg.data.locating import Part, places_of

#: Split, city and stem without variant, the latter two in composed Unicode.
Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class FrameFiles:
    """The files of one side with one key: of each stem and field of Frame, the preferred one."""

    city: str
    files: dict[tuple[str, str], FrameFile] = field(default_factory=dict)

    def add(self, file: FrameFile) -> None:
        """Add `file` unless there is a better one of its stem and field."""
        known = self.files.setdefault((file.stem, file.kind.field), file)
        # Of x.png and x.PNG the order of a folder, which is any, must not decide.
        if file is not known and (file.rank, file.path.name) < (known.rank, known.path.name):
            self.files[file.stem, file.kind.field] = file

    def preferred(self) -> dict[str, FrameFile]:
        """The files of an annotation that are read, by field of Frame."""
        files = {field: file for (_, field), file in self.files.items()}
        label_ids = files.get("label_ids")
        if label_ids and label_ids.kind.encoding and "polygons" in files:
            del files["label_ids"]  # polygons have all labels; train ids and colours do not
        return files


def files_by_frame(
    parts: Sequence[Part], side: Side, splits: Sequence[str]
) -> dict[Key, FrameFiles]:
    """The files of `side` in `parts`. Raises OSError."""
    found: dict[Key, FrameFiles] = {}
    for split, city, folder in places_of(parts, side, splits):
        composed = canonical(city)
        for file in files_in(folder, side):
            key = (split, composed, canonical(file.base))
            if key not in found:
                found[key] = FrameFiles(city)
            found[key].add(file)
    return found


def align(images: dict[Key, FrameFiles], annotations: dict[Key, FrameFiles]) -> None:
    """Give images and annotations of one frame the same key, where their folders differ."""
    _align_case(images, annotations)
    _align_cities(images, annotations)


def _align_case(images: dict[Key, FrameFiles], annotations: dict[Key, FrameFiles]) -> None:
    """Pair what differs only in case, where one image and one annotation are left."""
    loose: dict[tuple[str, ...], list[Key]] = {}
    for key in images.keys() ^ annotations.keys():
        loose.setdefault(tuple(map(str.casefold, key)), []).append(key)
    for one, *others in loose.values():
        if len(others) == 1 and (one in images) != (others[0] in images):
            image, annotation = (one, *others) if one in images else (*others, one)
            annotations[image] = annotations.pop(annotation)


def _align_cities(images: dict[Key, FrameFiles], annotations: dict[Key, FrameFiles]) -> None:
    """Pair by stem where one side has folders of cities and the other has none."""
    for flat, nested in ((images, annotations), (annotations, images)):
        loose = [key for key in flat.keys() - nested.keys() if key[1] == NO_CITY]
        if not loose:
            continue
        cities: dict[tuple[str, str], list[Key]] = {}
        for key in nested.keys() - flat.keys():
            cities.setdefault((key[0], key[2]), []).append(key)
        for key in loose:
            if len(same := cities.get((key[0], key[2]), [])) == 1:
                flat[same[0]] = FrameFiles(nested[same[0]].city, flat.pop(key).files)
