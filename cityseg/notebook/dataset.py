"""A dataset as an object: its splits, frames as arrays, and a training on it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self, overload

from cityseg.arrays import Uint8Array
from cityseg.data import (
    SPLITS,
    Frame,
    Reading,
    Report,
    check_sizes,
    convert,
    find_frames,
    pixel_aspect_of,
    read_image,
    reading_of,
)
from cityseg.defaults import default_root, default_runs
from cityseg.errors import DatasetError
from cityseg.labels import TRAIN_ID_OF_LABEL_ID
from cityseg.notebook import html
from cityseg.wording import counted

if TYPE_CHECKING:
    from cityseg.notebook.network import Network
    from cityseg.notebook.torch_dataset import TorchDataset

_THUMBNAILS: Final = 4
_THUMBNAIL_WIDTH: Final = 240


class Dataset:
    """A folder in the layout of Cityscapes, or one of the others that are read.

    `data["val"]` is a `Split`; a dataset shows its splits as a table in a notebook.
    """

    def __init__(self, root: str | Path | None = None, *, masks: str | Path | None = None) -> None:
        """Open the folder `root`, by default $CITYSCAPES_DATASET or ./data; reads no frame yet.

        `masks` is the folder of converted masks, by default `root`/masks. Raises DatasetError if
        there are no frames.
        """
        self.root = Path(root) if root else default_root()
        self.masks = Path(masks) if masks else self.root / "masks"
        found = find_frames(self.root, masks=self.masks)
        self._splits = {
            split: Split(self, split, [frame for frame in found if frame.split == split])
            for split in SPLITS
            if any(frame.split == split for frame in found)
        }

    @classmethod
    def sample(
        cls, root: str | Path, *, size_hw: tuple[int, int] = (256, 512), **frames: int
    ) -> Self:
        """Paint a sample city at `root`, with so many `frames` in each split, such as val=4.

        Raises CitysegError if `root` holds something else.
        """
        from cityseg.sample import make_sample

        make_sample(Path(root), frames=frames or {"train": 8, "val": 4}, size_hw=size_hw)
        return cls(root)

    def __getitem__(self, split: str) -> "Split":
        """The frames of a split; raises DatasetError if it has none."""
        if split not in self._splits:
            raise DatasetError(
                f"{self.root} has no split {split!r}: choose from {', '.join(self._splits)}"
            )
        return self._splits[split]

    def __iter__(self) -> Iterator[str]:
        """The names of the splits."""
        return iter(self._splits)

    def __len__(self) -> int:
        """The number of splits."""
        return len(self._splits)

    @cached_property
    def reading(self) -> Reading:
        """How the annotations are read: as for the masks, or as a sample of them shows."""
        return reading_of(
            [frame for split in self._splits.values() for frame in split.files], self.masks
        )

    @cached_property
    def pixel_aspect(self) -> float:
        """The width of a pixel divided by its height."""
        files = [frame for split in self._splits.values() for frame in split.files]
        return pixel_aspect_of(self.root, self.masks, files).value

    def convert(self, **options: Any) -> Report:
        """Convert the annotations to masks, which a training needs; returns the report.

        `options` are those of `cityseg.data.convert`, such as `label_map`. Raises
        DatasetError if their encoding is unclear.
        """
        report = convert(self.root, self.masks, **options)
        self.__dict__.pop("reading", None)  # as it has been read now
        return report

    def train(
        self, *, preset: str = "reference", runs: str | Path | None = None, **settings: Any
    ) -> "Network":
        """Train a network in a new run below `runs`, with the values of TrainConfig as `settings`.

        Ctrl-C or the stop button of a notebook saves its state after the next step; `jobs resume`
        continues. Raises ConfigError for a bad setting, DatasetError or StoreError for frames that
        cannot be used, TrainingError if the training fails.
        """
        from cityseg.notebook.network import Network
        from cityseg.runs import RunDir, started_config
        from cityseg.runs.checks import check_start, stores_of
        from cityseg.train import train_run

        folder = Path(runs) if runs else default_runs()
        config = started_config({"data": self.root, "masks": self.masks, **settings}, preset)
        check_start(config, stores_of(config, folder))
        run = RunDir.create(folder, config)
        train_run(run)
        return Network(run.path)

    def __repr__(self) -> str:
        """The folder and the number of frames of each split."""
        counts = ", ".join(f"{len(frames)} {name}" for name, frames in self._splits.items())
        return f"Dataset({str(self.root)!r}: {counts})"

    def _repr_html_(self) -> str:
        rows = [
            (
                name,
                len(split),
                sum(frame.image is not None for frame in split.files),
                sum(bool(frame.label_ids or frame.polygons) for frame in split.files),
                sum(frame.mask(self.masks).exists() for frame in split.files),
            )
            for name, split in self._splits.items()
        ]
        head = ("Split", "Frames", "Images", "Annotations", "Masks")
        return html.heading(str(self.root)) + html.table(head, rows)


@dataclass(frozen=True, slots=True)
class LabelledFrame:
    """A frame of a dataset; arrays are read when they are asked for."""

    dataset: Dataset
    files: Frame

    @property
    def name(self) -> str:
        """`<split>/<city>/<stem>`."""
        return self.files.name

    def image(self) -> Uint8Array:
        """(H, W, 3) uint8 RGB. Raises DatasetError if there is none, ImageError if it is broken."""
        if not self.files.image:
            raise DatasetError(f"The frame {self.name} has no image: take one that has")
        return read_image(self.files.image)

    def label_ids(self) -> Uint8Array:
        """(H, W) uint8 label ids. Raises DatasetError if there are none, MaskError as `convert`."""
        annotation = self.files.label_ids or self.files.polygons
        if not annotation:
            raise DatasetError(f"The frame {self.name} has no annotation: take one that has")
        return self.dataset.reading.label_ids(annotation)

    def train_ids(self) -> Uint8Array:
        """(H, W) uint8 train ids, 0–18 and 255 where ignored; errors as of `label_ids`."""
        mask: Uint8Array = TRAIN_ID_OF_LABEL_ID[self.label_ids()]
        return mask

    def pair(self) -> tuple[Uint8Array, Uint8Array]:
        """`image` and `train_ids`; also raises MaskError if they differ in size."""
        image, train_ids = self.image(), self.train_ids()
        check_sizes(self.files.label_ids or self.files.polygons, train_ids.shape, image.shape[:2])
        return image, train_ids

    def overlay(self) -> Uint8Array:
        """(H, W, 3) uint8 RGB: the official colours of the annotation over the image."""
        from cityseg.prediction import overlay  # loads torch

        return overlay(*self.pair())

    def __repr__(self) -> str:
        """The name."""
        return f"LabelledFrame({self.name!r})"

    def _repr_html_(self) -> str:
        if not (self.files.label_ids or self.files.polygons):
            return html.heading(self.name) + html.picture(self.image(), self.name)
        overlay = html.picture(self.overlay(), f"The annotation of {self.name} over its image")
        return html.heading(self.name) + overlay + f"<div>{html.legend(self.train_ids())}</div>"


class Split(Sequence[LabelledFrame]):
    """The frames of a split, in the order of their names."""

    def __init__(self, dataset: Dataset, name: str, files: Sequence[Frame]) -> None:
        """Take the `files` of the frames of `dataset`."""
        self.dataset, self.name, self.files = dataset, name, files

    @overload
    def __getitem__(self, index: int) -> LabelledFrame: ...
    @overload
    def __getitem__(self, index: slice) -> "Split": ...
    def __getitem__(self, index: int | slice) -> "LabelledFrame | Split":
        """A frame by its place, or some of them."""
        if isinstance(index, slice):
            return Split(self.dataset, self.name, self.files[index])
        return LabelledFrame(self.dataset, self.files[index])

    def __len__(self) -> int:
        """The number of frames."""
        return len(self.files)

    def torch(self, size_hw: tuple[int, int] | None = None) -> "TorchDataset":
        """The frames as a torch.utils.data.Dataset of (image, mask), see `TorchDataset`."""
        from cityseg.notebook.torch_dataset import TorchDataset

        return TorchDataset(self, size_hw)

    def __repr__(self) -> str:
        """The name and the number of frames."""
        return f"Split({self.name!r}: {len(self)} frames)"

    def _repr_html_(self) -> str:
        shown = [frame for frame in self if frame.files.image][:_THUMBNAILS]
        pictures = "".join(
            html.picture(frame.image(), frame.name, _THUMBNAIL_WIDTH) for frame in shown
        )
        return html.heading(f"{self.name}: {counted(len(self), 'frame')}") + pictures
