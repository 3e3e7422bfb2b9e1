"""Evaluation: annotated frames to scores, beside forward and count alone and a plain script.

And the evidence of the same frames, with the network in the box.
"""

import tempfile
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from bench_evidence import measure_evidence
from bench_times import Times, print_table, timed
from PIL import Image
from torch import Tensor, nn

from cityseg.arrays import Uint8Array
from cityseg.config import make_config
from cityseg.data import ANNOTATIONS, IMAGES, Frame, find_frames
from cityseg.evaluation.checkpoint import evaluate
from cityseg.evaluation.frames import LoadedFrame, count_prediction, load_frame
from cityseg.labels import IGNORE, LABEL_ID_OF_TRAIN_ID, NUM_CLASSES, TRAIN_ID_OF_LABEL_ID
from cityseg.metrics import count_frame
from cityseg.models import build_model
from cityseg.models.devices import resolve_device, uses_bfloat16
from cityseg.models.inputs import as_pixels, normalise
from cityseg.prediction import Predictor, classify_logits
from cityseg.runs.checkpoints import load_weights, save_weights

SIZE_HW = 512, 1024
WIDTHS = (64, 16)
MOST_FRAMES = {"cpu": 12, "cuda": 500}
#: So many that loading the network hardly counts.
EVIDENCE_FRAMES = 24
#: Frames that are kept in memory for the floor and the stages.
READY = 6
FLOOR = "forward and count of ready arrays (floor)"


def run(dataset: Path, repeats: int) -> None:
    """Print milliseconds a frame for an untrained network of each width."""
    device = resolve_device("auto")
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch, "frames")
        link_frames(dataset, root, MOST_FRAMES[device.type], over_and_over=device.type == "cuda")
        frames = find_frames(root, ["val"])
        number_format = "bfloat16" if uses_bfloat16("auto", device) else "float32"
        about = f"network at {SIZE_HW[0]}×{SIZE_HW[1]}, {device}, {number_format}"
        print(f"{len(frames)} frames of {dataset.name}, {about}")
        for width in WIDTHS:
            checkpoint = Path(scratch, f"{width}.safetensors")
            times = measure(width, checkpoint, frames, root, repeats)
            print(f"\nU-Net of width {width}, median of {repeats} runs; milliseconds a frame\n")
            print_table(times, FLOOR)
    run_evidence(dataset, repeats)


def run_evidence(dataset: Path, repeats: int) -> None:
    """Print what a pass of the network in the box costs, and how much evidence a frame has."""
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch, "frames")
        link_frames(dataset, root, EVIDENCE_FRAMES, over_and_over=True)
        measure_evidence(root, repeats)


def link_frames(dataset: Path, root: Path, most: int, *, over_and_over: bool) -> None:
    """Link annotated frames of `dataset` as a val split, over and over where they are too few."""
    found = find_frames(dataset, ("train", "val"))
    annotated = [frame for frame in found if frame.image and frame.label_ids][:most]
    if not annotated:
        raise SystemExit(f"{dataset} has no annotated frame")
    for number in range(most if over_and_over else len(annotated)):
        frame = annotated[number % len(annotated)]
        files = {IMAGES: [frame.image], ANNOTATIONS: [frame.label_ids, frame.instance_ids]}
        for kind, paths in files.items():
            folder = root / kind / "val" / "city"
            folder.mkdir(parents=True, exist_ok=True)
            for path in filter(None, paths):
                name = path.name.replace(frame.stem, f"city_{number:06d}_000019")
                (folder / name).symlink_to(path.resolve())


class Ready(NamedTuple):
    """One frame in every form that a stage starts from."""

    frame: Frame
    loaded: LoadedFrame
    pixels: Tensor
    logits: Tensor
    train_ids: Uint8Array
    label_ids: Uint8Array


def measure(
    width: int, checkpoint: Path, frames: Sequence[Frame], root: Path, repeats: int
) -> Times:
    """Time every way on all frames, and every stage of ours on a few, one after the other."""
    save_untrained(checkpoint, width)
    predictor = Predictor.load(checkpoint)
    bare = load_weights(checkpoint).build().to(predictor.device)
    bare = bare.to(memory_format=torch.channels_last)
    with torch.inference_mode():
        ready = [make_ready(predictor, frame) for frame in frames[:READY]]
    ways: dict[str, Callable[[], object]] = {
        FLOOR: partial(forward_and_count, predictor, ready, len(frames)),
        "cityseg evaluate": partial(evaluate, checkpoint, root),
        "plain script (Pillow, interpolate, argmax, bincount)": partial(plain_script, bare, frames),
    }
    stages = stages_of(predictor)
    cv2.setNumThreads(1)  # as in `evaluate`
    times: Times = defaultdict(list)
    for way in ways.values():
        way()
    for _ in range(repeats):
        for name, way in ways.items():
            times[name].append(timed(way, len(frames)))
        load = partial(Predictor.load, checkpoint)
        times["– the checkpoint, once"].append(timed(load, len(frames)))
        for name, stage in stages.items():
            times[f"– {name}"].append(timed(partial(for_each, stage, ready), len(ready)))
    return times


def save_untrained(checkpoint: Path, width: int, size_hw: tuple[int, int] = SIZE_HW) -> None:
    """A network sure of one class: trained ones predict no noise, which is slow to count."""
    torch.manual_seed(0)
    model = build_model("unet", width=width)
    model.get_parameter("head.bias").data[0] += 10
    save_weights(checkpoint, model, make_config({"width": width, "size": size_hw}), 0, {})


def make_ready(predictor: Predictor, frame: Frame) -> Ready:
    loaded = load_frame(frame)
    small = cv2.resize(
        loaded.image, predictor.checkpoint.config.size[::-1], interpolation=cv2.INTER_AREA
    )
    pixels = normalise(as_pixels(torch.from_numpy(small)[None].to(predictor.device)))
    train_ids = predictor.predict_train_ids(loaded.image)
    return Ready(
        frame=frame,
        loaded=loaded,
        pixels=pixels.contiguous(memory_format=torch.channels_last),
        logits=predictor.logits(loaded.image),
        train_ids=train_ids,
        label_ids=LABEL_ID_OF_TRAIN_ID[train_ids],
    )


@torch.inference_mode()
def forward_and_count(predictor: Predictor, ready: Sequence[Ready], count: int) -> None:
    """The floor: all that no evaluation can do without, one after the other."""
    for number in range(count):
        each = ready[number % len(ready)]
        predictor.forward(each.pixels)
        wait(predictor.device)
        truth = each.loaded.truth
        count_frame(each.frame.name, truth.label_ids, each.label_ids, truth.instance_ids)


def stages_of(predictor: Predictor) -> dict[str, Callable[[Ready], object]]:
    """What `evaluate` does for a frame; the first and the last have threads of their own there."""

    @torch.inference_mode()
    def forward(each: Ready) -> None:
        predictor.logits(each.loaded.image)
        wait(predictor.device)

    return {
        "decode image, label ids and instance ids": lambda each: load_frame(each.frame),
        "resize and forward": forward,
        "classes at full size": lambda each: classify_logits(
            each.logits, each.train_ids.shape, with_confidence=False
        ),
        "label ids and count": lambda each: count_prediction(each.loaded, each.train_ids),
    }


def for_each(stage: Callable[[Ready], object], ready: Sequence[Ready]) -> None:
    for each in ready:
        stage(each)


def wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def plain_script(model: nn.Module, frames: Sequence[Frame]) -> npt.NDArray[np.int64]:
    """The confusion matrix of train ids as one would write it without measuring; no instances."""
    confusion = np.zeros(NUM_CLASSES**2, np.int64)
    for frame in frames:
        assert frame.image  # noqa: S101 - `link_frames` keeps paired frames only
        assert frame.label_ids  # noqa: S101
        predicted = plain_prediction(model, Image.open(frame.image).convert("RGB"))
        truth = TRAIN_ID_OF_LABEL_ID[np.array(Image.open(frame.label_ids))]
        valid = truth != IGNORE
        pairs = truth[valid].astype(np.int64) * NUM_CLASSES + predicted[valid]
        confusion += np.bincount(pairs, minlength=NUM_CLASSES**2)
    return confusion.reshape(NUM_CLASSES, NUM_CLASSES)


@torch.inference_mode()
def plain_prediction(model: nn.Module, image: Image.Image) -> npt.NDArray[np.int64]:
    device = next(model.parameters()).device
    small = torch.from_numpy(np.array(image.resize(SIZE_HW[::-1])))
    pixels = normalise(small.to(device).permute(2, 0, 1)[None].float() / 255)
    with torch.autocast(device.type, torch.bfloat16, enabled=uses_bfloat16("auto", device)):
        logits = model(pixels.contiguous(memory_format=torch.channels_last))
    full = F.interpolate(logits.float(), image.size[::-1], mode="bilinear")
    return full.argmax(1)[0].cpu().numpy()
