"""A city that a network of two channels can learn, and runs on it that take a second."""

import hashlib
import resource
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import city
import numpy as np
import torch
from png_content import uncompressed

from cityseg.arrays import Uint8Array
from cityseg.config import TrainConfig, make_config
from cityseg.labels import LABEL_ID_PALETTE
from cityseg.models import build_model
from cityseg.runs.checkpoints import load_state, load_weights, save_weights
from cityseg.runs.folder import RunDir
from cityseg.training.loop import train

HEIGHT, WIDTH = 32, 64
TRAIN_FRAMES, VAL_FRAMES = 10, 5
#: Of a metric row, what a clock decides.
TIMING = ("seconds", "frames_per_second")


def write_weights(folder: Path) -> Path:
    """Weights of a network of two channels that has learned nothing, the same ones each time."""
    torch.manual_seed(0)
    path = folder / "weights.safetensors"
    config = make_config({"width": 2, "size": (16, 32)})
    save_weights(path, build_model("unet", width=2), config, 1, {"mean_iou": None})
    return path


def make_city(root: Path, train: int = TRAIN_FRAMES, val: int = VAL_FRAMES) -> Path:
    """Frames whose colours give their labels away, with masks, in Cityscapes layout."""
    for split, count in (("train", train), ("val", val)):
        for number in range(count):
            rng = np.random.default_rng((number, split == "val"))
            label_ids = block_street(rng)
            stem = f"tiny_000000_{number:06d}"
            noise = rng.integers(-20, 21, (HEIGHT, WIDTH, 3))
            image = (LABEL_ID_PALETTE[label_ids] + noise).clip(0, 255).astype(np.uint8)
            city.write(city.image_path(root, stem, split), city.encode(image))
            city.write(city.annotation_path(root, stem, split), city.encode(label_ids))
            mask = root / "masks" / split / "tiny" / f"{stem}_mask.png"
            city.write(mask, city.encode(city.train_ids_of(label_ids)))
    return root


def block_street(rng: np.random.Generator) -> Uint8Array:
    """(32, 64) label ids: sky over road, a building, a car, and a strip of ignored pixels."""
    label_ids = np.full((HEIGHT, WIDTH), city.SKY, np.uint8)
    horizon, left = rng.integers(12, 20), rng.integers(0, 32)
    label_ids[horizon:] = city.ROAD
    label_ids[6:horizon, left : left + 24] = city.BUILDING
    label_ids[horizon + 2 : horizon + 10, left + 8 : left + 24] = city.CAR
    label_ids[-2:] = city.EGO_VEHICLE
    return label_ids


def tiny_config(data: Path, **values: Any) -> TrainConfig:
    settings = {
        "data": data,
        "model": "unet",
        "width": 2,
        "size": (HEIGHT, WIDTH),
        "batch_size": 2,
        "epochs": 2,
        "learning_rate": 0.01,
        "device": "cpu",
        "amp": "off",  # the same numbers on every CPU
    }
    return make_config(settings | values)


def make_run(data: Path, **values: Any) -> RunDir:
    """A new run beside the city, so that all runs share its frame store."""
    return RunDir.create(data.parent / "runs", tiny_config(data, **values))


def trained(data: Path, **values: Any) -> RunDir:
    run = make_run(data, **values)
    train(run)
    return run


def epoch_rows(run: RunDir) -> list[dict[str, Any]]:
    return [row for row in run.metrics() if row["kind"] == "epoch"]


def timeless(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{k: v for k, v in row.items() if k not in TIMING} for row in rows]


def weights_of(path: Path) -> dict[str, str]:
    """A digest of each tensor in a weights file."""
    return {name: _digest(tensor) for name, tensor in load_weights(path).weights.items()}


def state_of(run: RunDir) -> Any:
    """The last training state with digests for tensors, but for what a clock decides."""
    state = load_state(run)
    assert state
    del state["metrics_size"], state["metrics_checksum"], state["position"]["seconds"]
    return _with_digests(state)


def _with_digests(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return _digest(value)
    if isinstance(value, dict):
        return {key: _with_digests(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_with_digests(each) for each in value]
    return value


def _digest(tensor: torch.Tensor) -> str:
    content = tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
    return f"{tensor.dtype} {tuple(tensor.shape)} {hashlib.blake2b(content).hexdigest()[:16]}"


def content_of(folder: Path) -> dict[str, bytes]:
    """All files below `folder`."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def results_in(folder: Path) -> dict[str, bytes]:
    """All files below `folder`, as two runs write them alike: PNG files without compression."""
    return {
        name: uncompressed(content) if name.endswith(".png") else content
        for name, content in content_of(folder).items()
    }


@contextmanager
def files_limited_to(size: int) -> Iterator[None]:
    """No file of this process can grow over `size` bytes, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
