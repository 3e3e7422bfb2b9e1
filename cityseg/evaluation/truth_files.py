"""Which files below a folder are ground truth, and of which frames."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from cityseg.data import (
    ANNOTATIONS,
    LAYOUT_VARIABLE,
    LAYOUTS,
    FrameFiles,
    Side,
    enclosing,
    file_named,
    layout_named,
    layout_of_folder,
    what_is_there,
)
from cityseg.errors import ScoreError

#: Field of Frame -> path.
Files = dict[str, Path]
#: Stem -> folder -> files.
Truths = dict[str, dict[Path, Files]]

#: Annotations that their names prove: those of another layout could be any picture.
_PROVED: Final = tuple(
    dict.fromkeys(
        side
        for layout in LAYOUTS
        for side in layout.annotations
        if all(kind.tag for kind in side.kinds)
    )
)


def find_truths(paths: Sequence[Path], folder: Path, layout: str | None = None) -> Truths:
    """The frames that have label ids or polygons among `paths`, the files below `folder`.

    `layout` is the name of that of the dataset; None means $CITYSEG_LAYOUT, or that of the masks
    of the dataset around `folder`, or annotations whose names prove what they are, or the layout
    that `folder` is part of. Raises ScoreError if there are none, and DatasetError if there is no
    such layout.
    """
    name = layout or os.environ.get(LAYOUT_VARIABLE) or layout_of_folder(folder)
    for side in layout_named(name).annotations if name else _PROVED:
        if truths := dict(_truths_of(side, paths)):
            return truths
    if not name and (around := enclosing(folder)):
        for side in around[0].annotations:
            if truths := dict(_truths_of(side, paths)):
                return truths
    there = what_is_there(folder, wanted="label_ids")
    there = there and f".{there}"
    raise ScoreError(
        f"No annotation as the layout {name} has it is below {folder}: name the folder of a split, "
        f"or the layout with --layout{there}"
        if name
        else f"No *_{ANNOTATIONS}_labelIds.png or *_{ANNOTATIONS}_polygons.json is below {folder}: "
        f"name the folder of a split, or the layout with --layout{there}"
    )


def _truths_of(side: Side, paths: Sequence[Path]) -> Iterator[tuple[str, dict[Path, Files]]]:
    """The frames of one side of a layout; a frame with an instance map alone is none."""
    found: dict[str, dict[Path, FrameFiles]] = {}
    for path in paths:
        if file := file_named(path.name, side):
            folders = found.setdefault(file.base, {})
            files = folders.setdefault(path.parent, FrameFiles(path.parent.name))
            files.add(file._replace(path=path))
    for stem, folders in found.items():
        truths = {
            folder: {field: file.path for field, file in files.preferred().items()}
            for folder, files in folders.items()
        }
        truths = {f: files for f, files in truths.items() if files.keys() != {"instance_ids"}}
        if truths:
            yield stem, truths
