"""A trained network on a picture: the class of every pixel, at the picture's own resolution.

The picture is placed into the size of training, or another one, as training placed its frames. The
logits are interpolated to the picture's resolution, and only then is the best class of each pixel
taken: the other way round, edges would be staircases of enlarged labels.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from cityseg.arrays import Uint8Array
from cityseg.errors import CitysegError, ImageError
from cityseg.geometry import Geometry, prediction_geometry
from cityseg.labels import NUM_CLASSES
from cityseg.models.devices import on_device, resolve_device, uses_bfloat16
from cityseg.models.inputs import as_pixels, normalise
from cityseg.prediction.upsampling import classify_logits
from cityseg.runs import AnyNetwork
from cityseg.runs.checkpoints import Checkpoint
from cityseg.runs.state_dicts import load_network

#: The number format of forward passes; "auto" is bfloat16 where the hardware has it.
Amp = Literal["auto", "off", "bf16"]


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """The class of each pixel of a picture: `train_ids` is (H, W) uint8, 0–18.

    Of a network with other classes, it is 255 where the best class has no place among the 19.
    `confidence` is (H, W) float16, the softmax probability of that class, 0–1; or None.
    """

    train_ids: Uint8Array
    confidence: npt.NDArray[np.floating] | None = None


class Predictor:
    """A network that is ready to predict. It has no state that changes: threads may share it."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        device: str = "auto",
        *,
        amp: Amp = "auto",
        is_folded: bool = True,
    ) -> None:
        """Put the network of `checkpoint` on `device`.

        `is_folded` saves time, and rounds otherwise than training did.

        Raises CheckpointError or ModelError if the network cannot be built, ConfigError if there is
        no such device.
        """
        self.checkpoint = checkpoint
        self.device = resolve_device(device)
        self._train_ids = np.array(checkpoint.train_ids, np.uint8)
        self._has_other_classes = self._train_ids.tolist() != list(range(NUM_CLASSES))
        self._bfloat16 = uses_bfloat16(amp, self.device)
        self._layout = (
            torch.channels_last if checkpoint.config.channels_last else torch.contiguous_format
        )
        model = checkpoint.build()
        if is_folded:
            _fold_batch_norms(model)
        self._model: nn.Module = model.to(self.device).to(memory_format=self._layout)

    @classmethod
    def load(cls, network: AnyNetwork, device: str = "auto", *, amp: Amp = "auto") -> Self:
        """Load the box, the best weights of a run's folder, a weights file, or a state dict.

        Raises CheckpointError if they are missing, damaged or do not fit, and as the constructor.
        """
        return cls(load_network(network), device, amp=amp)

    def predict(
        self,
        image: Uint8Array,
        *,
        sliding: bool = False,
        flip: bool = False,
        with_confidence: bool = False,
        size_hw: tuple[int, int] | None = None,
        pixel_aspect: float = 1.0,
    ) -> Prediction:
        """Classify (H, W, 3) uint8 RGB of any size.

        `sliding` covers the placed picture with overlapping windows of the size seen in training
        and averages their logits; `flip` averages the logits with those of the mirrored picture.
        `size_hw` is the size to predict at, by default that of training; `pixel_aspect` is the
        width of the picture's pixels divided by their height.

        Raises ImageError if `image` is not such an array, CitysegError if memory runs out.
        """
        if image.dtype != np.uint8 or image.shape[2:] != (3,) or not image.size:
            raise ImageError(
                f"A picture must be (H, W, 3) uint8: found {image.shape} {image.dtype}; convert it"
            )
        with self.explained_memory_errors(image), torch.inference_mode():
            geometry = prediction_geometry(self.checkpoint.config, pixel_aspect, size_hw)
            logits = self.logits(image, geometry, sliding=sliding, flip=flip)
            classes, confidence = classify_logits(
                logits, image.shape[:2], with_confidence=with_confidence
            )
            return Prediction(
                self.named(classes), None if confidence is None else confidence.astype(np.float16)
            )

    def named(self, outputs: Uint8Array) -> Uint8Array:
        """The train id of each of (H, W) uint8 outputs, the places of the best logits."""
        return self._train_ids[outputs] if self._has_other_classes else outputs

    @contextmanager
    def explained_memory_errors(self, image: Uint8Array) -> Iterator[None]:
        """Raise CitysegError if the memory of the device runs out for the picture `image`."""
        try:
            yield
        except torch.OutOfMemoryError as error:
            raise CitysegError(
                f"The memory of {self.device} is not enough for a {image.shape[1]}×"
                f"{image.shape[0]} picture: stop other programs there, choose a smaller size, or "
                "the device cpu"
            ) from error

    def predict_train_ids(self, image: Uint8Array) -> Uint8Array:
        """Classify (H, W, 3) uint8 RGB; returns (H, W) uint8 train ids."""
        return self.predict(image).train_ids

    def predict_placed(self, images: Sequence[Uint8Array]) -> list[Uint8Array]:
        """The classes of (h, w, 3) uint8 inputs of one size, in one batch, each (h, w) uint8."""
        batch = on_device(np.stack(images), self.device)
        with torch.inference_mode():
            classes = self.forward(normalise(as_pixels(batch))).argmax(1)
            return list(classes.to(torch.uint8).cpu().numpy())

    def logits(
        self,
        image: Uint8Array,
        geometry: Geometry | None = None,
        *,
        sliding: bool = False,
        flip: bool = False,
    ) -> Tensor:
        """(C, h, w) float32 logits of (H, W, 3) uint8 RGB, on `device`, as `geometry` places it.

        C is 19 but for networks with other classes, where `checkpoint.train_ids` says what each is.
        h and w are those of the picture in the input of the network; `geometry` is by default that
        of the checkpoint for square pixels; `sliding` and `flip` as for `predict`. To be called in
        `torch.inference_mode()`. Raises torch.OutOfMemoryError.
        """
        config = self.checkpoint.config
        geometry = geometry or prediction_geometry(config)
        placed = on_device(geometry.place_picture(image), self.device)
        pixels = normalise(as_pixels(placed.unsqueeze(0)))
        window_hw = config.crop_hw if sliding else pixels.shape[2:]
        place = (..., *geometry.placement(image.shape[:2]).window)
        logits = self._cover(pixels, window_hw)[place]
        if flip:  # the picture, not its padding, which may be a pixel wider on one side
            mirrored = pixels.clone()
            mirrored[place] = pixels[place].flip(-1)
            logits = (logits + self._cover(mirrored, window_hw)[place].flip(-1)) / 2
        return logits

    def _cover(self, pixels: Tensor, window_hw: Sequence[int]) -> Tensor:
        """(1, 3, h, w) to (C, h, w): at each pixel the mean of the windows that contain it."""
        high, wide = (min(pair) for pair in zip(window_hw, pixels.shape[2:], strict=True))
        places = [
            (..., slice(top, top + high), slice(left, left + wide))
            for top in window_starts(pixels.shape[2], high)
            for left in window_starts(pixels.shape[3], wide)
        ]
        if len(places) == 1:
            return self.forward(pixels)[0]
        total = pixels.new_zeros((len(self._train_ids), *pixels.shape[2:]))
        count = torch.zeros_like(total[:1])
        # As many windows at a time as the whole picture has pixels for: no more memory than that.
        at_once = max(1, count.numel() // (high * wide))
        for first in range(0, len(places), at_once):
            part = places[first : first + at_once]
            logits = self.forward(torch.cat([pixels[place] for place in part]))
            for place, window in zip(part, logits, strict=True):
                total[place] += window
                count[place] += 1
        return total / count

    def forward(self, pixels: Tensor) -> Tensor:
        """(B, 3, h, w) normalised float32 on `device` to (B, C, h, w) float32 logits.

        To be called in `torch.inference_mode()`.
        """
        autocast = torch.autocast(self.device.type, torch.bfloat16)
        with autocast if self._bfloat16 else nullcontext():
            logits: Tensor = self._model(pixels.contiguous(memory_format=self._layout))
        return logits.float()


def window_starts(size: int, window: int) -> list[int]:
    """The starts of windows of length `window` ≤ `size` that together cover 0…`size`.

    They overlap by a third or more, as evenly as whole pixels allow, and none crosses an end.
    """
    gaps = -(-(size - window) // max(1, window * 2 // 3))
    return [round(gap * (size - window) / gaps) for gap in range(gaps + 1)] if gaps else [0]


def _fold_batch_norms(model: nn.Module) -> None:
    """Fold each batch norm into the convolution before it, in place: saves a tenth of the time.

    Only pairs in a Sequential, because elsewhere the order of modules is not the order of calls,
    and only of exactly these types: subclasses of BatchNorm2d may contain an activation, which
    folding would drop.
    """
    for module in model.modules():
        if isinstance(module, nn.Sequential):
            for index, (first, second) in enumerate(pairwise(list(module))):
                if type(first) is nn.Conv2d and type(second) is nn.BatchNorm2d:
                    module[index] = fuse_conv_bn_eval(first, second)
                    module[index + 1] = nn.Identity()  # keeps the places of the modules behind it
