"""A frame of a dataset: its name and its files."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cityseg.data.layouts import ANNOTATIONS, IMAGE_SUFFIXES, IMAGES

MASK_SUFFIX: Final = "_mask.png"
#: Field of Frame -> the end of its file's name in the official layout: a tag, then a suffix.
FRAME_FILES: Final = {
    "image": (f"_{IMAGES}", IMAGE_SUFFIXES),
    "label_ids": (f"_{ANNOTATIONS}_labelIds", IMAGE_SUFFIXES),
    "instance_ids": (f"_{ANNOTATIONS}_instanceIds", (".png",)),
    "polygons": (f"_{ANNOTATIONS}_polygons", (".json",)),
}


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame of a split; a path is None if there is no such file.

    `label_ids`, `instance_ids` and `polygons` are the annotation's files. A frame with only an
    image or only an annotation is listed too: the code that needs the other reports it missing.

    `encoding_hint` is what the name or the layout says about the values of `label_ids`:
    "trainids", "colors" or "palette"; None for files that are called label ids. It is no proof.
    """

    split: str
    city: str
    stem: str
    image: Path | None = None
    label_ids: Path | None = None
    instance_ids: Path | None = None
    polygons: Path | None = None
    encoding_hint: str | None = None

    @property
    def name(self) -> str:
        """`<split>/<city>/<stem>`: unique in a dataset and safe as a relative path."""
        return f"{self.split}/{self.city}/{self.stem}"

    def mask(self, masks: Path) -> Path:
        """Where this frame's converted mask lies below the folder `masks`."""
        return masks / self.split / self.city / f"{self.stem}{MASK_SUFFIX}"
