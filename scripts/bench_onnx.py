"""The network in the box by torch, ONNX Runtime and OpenVINO: time of a picture, and scores."""

import math
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
import onnx
import onnxruntime
import torch
from bench_times import Times, print_table, timed
from onnxruntime.quantization import QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from cityseg.arrays import Uint8Array, as_uint8
from cityseg.data import Frame, find_frames, pixel_aspect_of, read_image, reading_of
from cityseg.export.onnx_file import export_onnx
from cityseg.labels import LABEL_ID_OF_TRAIN_ID, NUM_LABEL_IDS
from cityseg.metrics import Scores, confusion_matrix
from cityseg.models.devices import uses_bfloat16
from cityseg.prediction import OnnxPredictor, Prediction, Predictor
from cityseg.system import available_cores

FLOOR = "torch, float32"
MOST_CALIBRATION = 32
MOST_SCORED = 100
TIMED = 3


class Way(Protocol):
    """What predicts a picture."""

    def predict(self, image: Uint8Array, *, pixel_aspect: float) -> Prediction: ...


class Scored(NamedTuple):
    """Frames of which the predictions are compared with the truth."""

    images: list[Uint8Array]
    truths: list[Uint8Array]


def run(dataset: Path, repeats: int) -> None:
    """Print milliseconds a picture, equal pixels, and mean IoU by class, for each way."""
    frames = [frame for frame in find_frames(dataset) if frame.image and frame.label_ids]
    learnt = [frame for frame in frames if frame.split == "train"][:MOST_CALIBRATION] or frames[:4]
    aspect = pixel_aspect_of(dataset, dataset / "masks", frames).value
    unseen = [frame for frame in frames if frame.split == "val"][:MOST_SCORED] or frames
    with tempfile.TemporaryDirectory() as scratch:
        float32, int8 = Path(scratch, "float32.onnx"), Path(scratch, "int8.onnx")
        export_onnx("box", float32, pixel_aspect=aspect)
        quantise(float32, int8, learnt)
        ways: dict[str, Way] = {
            FLOOR: Predictor.load("box", "cpu", amp="off"),
            "ONNX Runtime, float32": OnnxPredictor(float32, "cpu"),
            "ONNX Runtime, int8": OnnxPredictor(int8, "cpu"),
        }
        ways |= bfloat16() | exported() | openvino(float32)
        sizes = [f"{path.stem} {path.stat().st_size / 1e6:.1f} MB" for path in (float32, int8)]
    print(f"\nThe network in the box; files: {', '.join(sizes)}")
    images = [read_image(frame.image) for frame in unseen[:TIMED] if frame.image]
    height, width = images[0].shape[:2]
    about = f"from pixels to classes, median of {repeats}, ONNX Runtime {onnxruntime.__version__}"
    print(f"{len(images)} pictures of {width}×{height}, {about}\n")
    print_table(measure(ways, images, repeats, aspect), FLOOR)
    scored = load(dataset, unseen)
    print(f"\nOn {len(scored.images)} frames of {dataset.name}, int8 calibrated on {len(learnt)}\n")
    print_scores({name: score(way, scored, aspect) for name, way in ways.items()})


def bfloat16() -> dict[str, Way]:
    """By torch in bfloat16, where the processor has it."""
    if not uses_bfloat16("auto", torch.device("cpu")):
        return {}
    return {"torch, bfloat16": Predictor.load("box", "cpu")}


def exported() -> dict[str, Way]:
    """The network's graph by torch.export, run by torch."""
    predictor = Predictor.load("box", "cpu", amp="off")
    pixels = torch.zeros(1, 3, *predictor.checkpoint.config.size)
    with torch.inference_mode():
        predictor._model = torch.export.export(predictor._model, (pixels,)).module()
    return {"torch.export, float32": predictor}


def openvino(file: Path) -> dict[str, Way]:
    """The ONNX file by OpenVINO, where that is installed."""
    return {"OpenVINO, float32": OpenVino(file)} if find_spec("openvino") else {}


class OpenVino:
    """As OnnxPredictor, on the CPU."""

    def __init__(self, file: Path) -> None:
        from openvino import Core

        settings = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": available_cores(),
            "INFERENCE_PRECISION_HINT": "f32",
        }
        self._model = Core().compile_model(str(file), "CPU", settings)

    def predict(self, image: Uint8Array, *, pixel_aspect: float) -> Prediction:
        return Prediction(as_uint8(self._model({"image": image})["train_ids"]))


def measure(ways: dict[str, Way], images: list[Uint8Array], repeats: int, aspect: float) -> Times:
    """All ways in turn, so that what else the machine does hits them alike."""
    times: Times = defaultdict(list)
    calls: dict[str, Callable[[], object]] = {
        name: partial(predict_all, way, images, aspect) for name, way in ways.items()
    }
    for call in calls.values():
        call()
    for _ in range(repeats):
        for name, call in calls.items():
            times[name].append(timed(call, len(images)))
    return times


def predict_all(way: Way, images: list[Uint8Array], aspect: float) -> None:
    for image in images:
        way.predict(image, pixel_aspect=aspect)


def quantise(source: Path, target: Path, frames: list[Frame]) -> None:
    """The convolutions in 8 bits, with scales by channel that suit the activations of `frames`."""
    prepared = source.with_name("prepared.onnx")
    quant_pre_process(source, prepared, skip_symbolic_shape=True)
    network = [
        node.name for node in onnx.load(prepared).graph.node if node.op_type in ("Conv", "Add")
    ]
    quantize_static(
        prepared,
        target,
        Pictures(frames),
        nodes_to_quantize=[name for name in network if name.startswith("network/")],
        per_channel=True,
        weight_type=QuantType.QInt8,
        activation_type=QuantType.QUInt8,
    )


class Pictures:
    """The pictures of frames as inputs of the file, as `quantize_static` reads them."""

    def __init__(self, frames: list[Frame]) -> None:
        self.images: Iterator[Uint8Array] = (read_image(f.image) for f in frames if f.image)

    def get_next(self) -> dict[str, Uint8Array] | None:
        image = next(self.images, None)
        return None if image is None else {"image": image}


def load(dataset: Path, frames: list[Frame]) -> Scored:
    reading = reading_of(frames, dataset / "masks")
    truths = [reading.label_ids(frame.label_ids) for frame in frames if frame.label_ids]
    return Scored([read_image(frame.image) for frame in frames if frame.image], truths)


def score(way: Way, scored: Scored, aspect: float) -> Scores:
    confusion = np.zeros((NUM_LABEL_IDS, NUM_LABEL_IDS), np.int64)
    for image, truth in zip(scored.images, scored.truths, strict=True):
        predicted = LABEL_ID_OF_TRAIN_ID[way.predict(image, pixel_aspect=aspect).train_ids]
        confusion += confusion_matrix(truth, predicted)
    return Scores(confusion)


def print_scores(scores: dict[str, Scores]) -> None:
    """A row for each class, a column for each way."""
    print(f"| class | {' | '.join(scores)} |\n| --- |{' ---: |' * len(scores)}")
    rows = {"mean IoU": [each.mean_iou for each in scores.values()]}
    rows |= {
        name: [each.class_iou[name] for each in scores.values()]
        for name in next(iter(scores.values())).class_iou
    }
    for name, values in rows.items():
        cells = " | ".join("–" if math.isnan(value) else f"{100 * value:.1f}" for value in values)
        print(f"| {name} | {cells} |")
