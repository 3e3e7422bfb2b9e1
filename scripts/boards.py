"""Runs that are compared by the time they take: what `leaderboard.py` trains."""

from collections.abc import Mapping
from typing import Any, NamedTuple


class Board(NamedTuple):
    """Rows by name with the settings of their runs.

    With `minutes`, the epochs of a row are as many as fit into that time on this machine. `frames`
    is the number of frames of a split that training sees; scores are those of all of val.
    `thresholds` are scores whose time is shown.
    """

    rows: Mapping[str, Mapping[str, Any]]
    thresholds: tuple[float, ...]
    minutes: float | None = None
    frames: Mapping[str, int] | None = None


#: On two cores a U-Net of width 64 would take over two hours at this size, so its rows have 32.
_TEN_EPOCHS: dict[str, Any] = {"size": "128x256", "epochs": 10, "device": "cpu"}
_LITE0: dict[str, Any] = {"model": "unet:tu-tf_efficientnet_lite0", "weights": "imagenet"}

#: The preset street for the frames of CamVid, of which an epoch has 92 steps. Poles are two to four
#: pixels wide in them, so frames are enlarged. The camera is always the same: no blur, no noise.
_CAMVID: dict[str, Any] = {
    "preset": "street",
    "size": "480x640",
    "crop": "352x480",
    "batch_size": 4,
    "scale_min": 0.6,
    "scale_max": 1.2,
    "blur": 0.0,
    "noise": 0.0,
    "jitter": 0.3,
    "class_weights": "none",
    "classes": "seen",
    "learning_rate": 7e-4,
    "freeze_steps": 92,
    "warmup_steps": 92,
    "ema": 0.99,
    "device": "cpu",
}
#: The preset finetune at a size that leaves minutes enough for some epochs; from elsewhere with the
#: rate of networks that know no streets.
_FEW: dict[str, Any] = {
    "preset": "finetune",
    "size": "240x320",
    "crop": "160x224",
    "classes": "seen",
    "device": "cpu",
}
_NOT_FROM_BOX: dict[str, Any] = {"start_from": "none", "learning_rate": 1e-3}
_FEW_STARTS: dict[str, dict[str, Any]] = {
    "from scratch": {**_NOT_FROM_BOX, "encoder_rate": 1},
    "from ImageNet": {**_NOT_FROM_BOX, "encoder_rate": 0.5, "weights": "imagenet"},
    "from the box": {},
}

BOARDS: dict[str, Board] = {
    "ten-epochs": Board(
        {
            "reference, width 32": {"preset": "reference", **_TEN_EPOCHS, "width": 32},
            "fast, width 32": {"preset": "fast", **_TEN_EPOCHS, "width": 32},
            "fast from ImageNet": {"preset": "fast", **_TEN_EPOCHS, **_LITE0},
        },
        thresholds=(0.3, 0.4, 0.5),
    ),
    "camvid": Board(
        {
            "from ImageNet": _CAMVID,
            "from the box": {
                **_CAMVID,
                "start_from": "box",
                "learning_rate": 5e-4,
                "freeze_steps": 0,
            },
        },
        thresholds=(0.6, 0.7, 0.75),
        minutes=90,
    ),
    "fifty": Board(
        {name: {**_FEW, **start} for name, start in _FEW_STARTS.items()},
        thresholds=(0.3, 0.4, 0.5),
        minutes=5,
        frames={"train": 50, "val": 20},
    ),
}
