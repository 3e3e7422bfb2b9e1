"""A trained network as an object: predictions and scores that show themselves."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from cityseg.arrays import Uint8Array
from cityseg.data import picture_pixel_aspect, read_image
from cityseg.labels import CLASS_NAMES
from cityseg.metrics import Scores
from cityseg.notebook import html
from cityseg.notebook.dataset import Dataset
from cityseg.runs import BOX, BOX_LICENCE, find_weights, is_box, read_about, read_config

if TYPE_CHECKING:
    from cityseg.prediction import Predictor


@dataclass(frozen=True, slots=True, eq=False)
class Predicted:
    """The classes of a picture, which shows itself as an overlay in a notebook.

    `image` is (H, W, 3) uint8 RGB, `train_ids` (H, W) uint8 of 0–18, and `confidence` (H, W)
    float16, the softmax probability of that class.
    """

    image: Uint8Array
    train_ids: Uint8Array
    confidence: npt.NDArray[np.floating]

    def overlay(self) -> Uint8Array:
        """(H, W, 3) uint8 RGB: the official colours of the classes over the picture."""
        from cityseg.prediction import overlay

        return overlay(self.image, self.train_ids)

    def __repr__(self) -> str:
        """The size and the mean confidence."""
        height, width = self.train_ids.shape
        confidence = float(self.confidence.mean(dtype=np.float32))
        return f"Predicted({width}×{height} pixels, mean confidence {confidence:.2f})"

    def _repr_html_(self) -> str:
        overlay = html.picture(self.overlay(), "Predicted classes over the picture")
        return f"{overlay}<div>{html.legend(self.train_ids)}</div>"


@dataclass(frozen=True, slots=True, eq=False)
class Evaluated:
    """The scores of a network on `frames` frames; texts of `skipped` are "frame: reason"."""

    scores: Scores
    frames: int
    skipped: list[str]

    def __repr__(self) -> str:
        """The means."""
        scores = self.scores
        return (
            f"Evaluated(mean IoU {html.score(scores.mean_iou)}, "
            f"pixel accuracy {html.score(scores.pixel_accuracy)}, {self.frames} frames)"
        )

    def _repr_html_(self) -> str:
        scores = self.scores
        rows = [
            ("Mean", html.score(scores.mean_iou), html.score(scores.mean_instance_iou)),
            *(
                (name, html.score(scores.class_iou[name]), html.score(scores.instance_iou[name]))
                for name in CLASS_NAMES
            ),
        ]
        accuracy = f"Pixel accuracy {html.score(scores.pixel_accuracy)}, {self.frames} frames"
        skipped = html.table(("Skipped",), [(text,) for text in self.skipped])
        return (
            html.heading(accuracy)
            + html.table(("Class", "IoU", "iIoU"), rows)
            + (skipped if self.skipped else "")
        )


class Network:
    """A network: that in the box, the best weights of a run's folder, or a weights file."""

    def __init__(self, network: str | Path = BOX, *, device: str = "auto") -> None:
        """Name a network and the device to run it on; its weights are read when it predicts.

        Raises CheckpointError if there is none, or its metadata are damaged.
        """
        self.path = find_weights(network)
        self.device = device
        self.config = read_config(self.path)
        self.about = read_about(self.path)

    @cached_property
    def predictor(self) -> "Predictor":
        """The loaded network. Raises CheckpointError or ModelError; ConfigError for the device."""
        from cityseg.prediction import Predictor

        return Predictor.load(self.path, self.device)

    def predict(self, image: Uint8Array | str | Path, **options: Any) -> Predicted:
        """Classify (H, W, 3) uint8 RGB, or a picture file; `options` are of `Predictor.predict`.

        Raises ImageError if the picture cannot be used.
        """
        if isinstance(image, str | Path):
            pixels = read_image(Path(image))
            # Frames of a dataset may have pixels that are not square, which it says beside them.
            options = {"pixel_aspect": picture_pixel_aspect(Path(image), pixels), **options}
        else:
            pixels = image
        found = self.predictor.predict(pixels, with_confidence=True, **options)
        assert found.confidence is not None  # noqa: S101
        return Predicted(pixels, found.train_ids, found.confidence)

    def evaluate(self, data: Dataset, split: str = "val", **options: Any) -> Evaluated:
        """Score the network on the annotated frames of a split, at the size of the labels.

        `options` and errors are those of `evaluation.checkpoint.evaluate`. Writes no file.
        """
        from cityseg.evaluation.checkpoint import evaluate

        result = evaluate(
            self.path, data.root, split=split, masks=data.masks, device=self.device, **options
        )
        return Evaluated(result.scores, len(result.store.names), result.skipped)

    def export_onnx(self, out: str | Path, **options: Any) -> Path:
        """Write the network as an ONNX file; `options` and errors are those of `export_onnx`."""
        from cityseg.export.onnx_file import export_onnx

        export_onnx(self.path, Path(out), **options)
        return Path(out)

    def __repr__(self) -> str:
        """The weights file and its model."""
        return f"Network({str(self.path)!r}: {self.config.model})"

    def _repr_html_(self) -> str:
        height, width = self.config.size
        mean_iou = self.about.mean_iou
        rows = [
            ("Model", self.config.model),
            ("Size", f"{width}×{height} pixels"),
            ("Epoch", f"{self.about.epoch} of {self.config.epochs}"),
            ("Mean IoU in training", "–" if mean_iou is None else html.score(mean_iou)),
            *([("Licence", BOX_LICENCE)] if is_box(self.path) else []),
        ]
        return html.heading(str(self.path)) + html.table(("About", "This network"), rows)
