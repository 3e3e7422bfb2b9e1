"""Prediction: from picture files to four PNGs each, beside the bare network and a plain script.

And the network in the box by ONNX Runtime, in float32 and int8, by torch.export, and by OpenVINO
where that is installed.
"""

import tempfile
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path

import bench_onnx
import cv2
import numpy as np
import torch
import torch.nn.functional as F
from bench_times import Times, print_table, timed
from PIL import Image
from torch import Tensor, nn

from cityseg.arrays import Uint8Array, as_uint8
from cityseg.config import make_config
from cityseg.data import find_frames, read_image
from cityseg.labels import LABEL_ID_OF_TRAIN_ID, TRAIN_ID_PALETTE
from cityseg.models import build_model
from cityseg.models.devices import uses_bfloat16
from cityseg.models.inputs import normalise
from cityseg.prediction import Predictor, classify_logits, predict_all, write_prediction
from cityseg.runs.checkpoints import load_weights, save_weights

SIZE_HW = 256, 512
WIDTHS = (64, 16)
FLOOR = "the bare network on a ready tensor (floor)"


def run(dataset: Path, repeats: int) -> None:
    """Print milliseconds a picture for an untrained network of each width."""
    images = [frame.image for frame in find_frames(dataset) if frame.image][:6]
    number_format = "bfloat16" if uses_bfloat16("auto", torch.device("cpu")) else "float32"
    size = f"{SIZE_HW[0]}×{SIZE_HW[1]}"
    print(f"{len(images)} frames of {dataset.name}, network at {size}, {number_format}")
    for width in WIDTHS:
        with tempfile.TemporaryDirectory() as scratch:
            times = measure(width, images, repeats, Path(scratch))
        print(f"\nU-Net of width {width}, median of {repeats} runs; milliseconds a picture\n")
        print_table(times, FLOOR)
    bench_onnx.run(dataset, repeats)


def measure(width: int, images: list[Path], repeats: int, scratch: Path) -> Times:
    """Time every way on all images, and every stage of ours on one, one after the other."""
    torch.manual_seed(0)
    checkpoint = scratch / "untrained.safetensors"
    config = make_config({"width": width, "size": SIZE_HW})
    save_weights(checkpoint, build_model("unet", width=width), config, 0, {})
    bare = Bare(load_weights(checkpoint).build().to(memory_format=torch.channels_last))
    predictor = Predictor.load(checkpoint, "cpu")
    ready = ready_tensor(read_image(images[0]))
    ways: dict[str, Callable[[], object]] = {
        FLOOR: torch.inference_mode()(lambda: [bare(ready) for _ in images]),
        "ours: files to files": lambda: predict_all(predictor, images, scratch),
        "ours, one after the other": partial(
            for_each, images, scratch, partial(one_by_one, predictor)
        ),
        "plain script (Pillow, interpolate, argmax)": partial(
            for_each, images, scratch, partial(plain_script, bare)
        ),
    }
    with torch.inference_mode():
        stages = stages_of(predictor, images[0], bare(ready)[0], scratch)
    times: Times = defaultdict(list)
    for each in (*ways.values(), *stages.values()):
        each()
    for _ in range(repeats):
        for name, way in ways.items():
            times[name].append(timed(way, len(images)))
        for name, stage in stages.items():
            times[f"– {name}"].append(timed(stage, 1))
    return times


class Bare(nn.Module):
    """The network in the number format that ours takes by itself, and float32 logits."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.is_half = uses_bfloat16("auto", torch.device("cpu"))

    def forward(self, images: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=self.is_half):
            logits: Tensor = self.network(images)
        return logits.float()


def for_each(images: list[Path], out: Path, way: Callable[[Path, Path], None]) -> None:
    for image in images:
        way(image, out)


def one_by_one(predictor: Predictor, image: Path, out: Path) -> None:
    pixels = read_image(image)
    write_prediction(out, image.stem, pixels, predictor.predict(pixels))


def stages_of(
    predictor: Predictor, image: Path, logits: Tensor, out: Path
) -> dict[str, Callable[[], object]]:
    pixels = read_image(image)
    small = resized(pixels)
    prediction = predictor.predict(pixels)
    size_hw = pixels.shape[:2]
    return {
        "read": lambda: read_image(image),
        "resize": lambda: resized(pixels),
        "network, batch norms folded": lambda: predictor.predict(small),
        "logits to classes": lambda: classify_logits(logits, size_hw, with_confidence=False),
        "draw, encode and write": lambda: write_prediction(out, "stage", pixels, prediction),
    }


def resized(pixels: Uint8Array) -> Uint8Array:
    return as_uint8(cv2.resize(pixels, SIZE_HW[::-1], interpolation=cv2.INTER_AREA))


def ready_tensor(pixels: Uint8Array) -> Tensor:
    tensor = normalise(torch.from_numpy(resized(pixels)).permute(2, 0, 1)[None].float() / 255)
    return tensor.contiguous(memory_format=torch.channels_last)


@torch.inference_mode()
def plain_script(model: nn.Module, image: Path, out: Path) -> None:
    """The same files, as one would write it without measuring."""
    pixels = np.array(Image.open(image).convert("RGB"))
    logits = F.interpolate(model(ready_tensor(pixels)), pixels.shape[:2], mode="bilinear")
    train_ids = logits.argmax(1)[0].numpy().astype(np.uint8)
    colors = TRAIN_ID_PALETTE[train_ids]
    overlay = (pixels / 2 + colors / 2).astype(np.uint8)
    outputs = {
        "trainids": train_ids,
        "labelids": LABEL_ID_OF_TRAIN_ID[train_ids],
        "color": colors,
        "overlay": overlay,
    }
    for kind, array in outputs.items():
        Image.fromarray(array).save(out / f"{image.stem}_{kind}.png")
