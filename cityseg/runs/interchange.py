"""Networks of other programs: what a state dict does not say, and the order of its classes.

A state dict holds tensors by name, and neither the model they belong to nor the classes that its
outputs stand for. `ForeignNetwork` names both; `runs.state_dicts` reads and writes such files.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, get_args

from cityseg.labels import CLASS_NAMES, IGNORE

#: What the outputs of a network stand for: the 19 train ids, or the 21 classes of Pascal VOC.
ClassOrder = Literal["cityscapes", "voc"]
CLASS_ORDERS: Final[tuple[ClassOrder, ...]] = get_args(ClassOrder)
#: Height and width to predict at where nobody names a size: state dicts do not say theirs.
FOREIGN_SIZE: Final = (512, 1024)

#: Index = output. Source: torchvision, the categories of COCO_WITH_VOC_LABELS_V1.
VOC_CLASSES: Final = (
    *("background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat"),
    *("chair", "cow", "diningtable", "dog", "horse", "motorbike", "person", "pottedplant"),
    *("sheep", "sofa", "train", "tvmonitor"),
)
#: The classes of Pascal VOC that Cityscapes has too; all others have no place among the 19.
CITYSCAPES_OF_VOC: Final = {
    "bicycle": "bicycle",
    "bus": "bus",
    "car": "car",
    "motorbike": "motorcycle",
    "person": "person",
    "train": "train",
}
#: By class order, the train id that each output stands for; 255 where Cityscapes has no such class.
TRAIN_IDS_OF_OUTPUTS: Final[dict[ClassOrder, tuple[int, ...]]] = {
    "cityscapes": tuple(range(len(CLASS_NAMES))),
    "voc": tuple(
        CLASS_NAMES.index(CITYSCAPES_OF_VOC[name]) if name in CITYSCAPES_OF_VOC else IGNORE
        for name in VOC_CLASSES
    ),
}

#: A value for each of red, green and blue, from 0 to 1.
RGB = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class ForeignNetwork:
    """A state dict in the file `path`, and what is needed to use it.

    `model` is unet, an architecture:encoder of segmentation-models-pytorch, or a segmentation model
    of torchvision. `mean` and `std` normalise its pixels; None means those of ImageNet.
    """

    path: Path
    model: str
    classes: ClassOrder = "cityscapes"
    mean: RGB | None = None
    std: RGB | None = None

    @property
    def train_ids(self) -> tuple[int, ...]:
        """The train id of each output, 255 where Cityscapes has no such class."""
        return TRAIN_IDS_OF_OUTPUTS[self.classes]

    def described(self) -> dict[str, Any]:
        """All but the path, for JSON."""
        return {
            "model": self.model,
            "classes": self.classes,
            "mean": self.mean and list(self.mean),
            "std": self.std and list(self.std),
        }


#: What names a network: "box", the path of a run's folder or of a weights file, or a state dict.
AnyNetwork = str | Path | ForeignNetwork
