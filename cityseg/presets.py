"""Recipes by name: settings of TrainConfig, and why they are as they are."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple


class Preset(NamedTuple):
    """Settings on top of the defaults, and the sentence on why they are as they are."""

    why: str
    settings: Mapping[str, Any]


_FAST: Final[Mapping[str, Any]] = {
    "size": (512, 1024),
    "epochs": 10,
    "optimizer": "adamw",
    "learning_rate": 1e-3,
    "weight_decay": 0.02,
    "schedule": "cosine",
    "warmup_steps": 100,
    "class_weights": "inverse_log",
    "flip": True,
    "jitter": 0.3,
}

#: Presets by name, as forms and --help show them; docs/accuracy.md has what they rest on.
PRESETS: Final[Mapping[str, Preset]] = {
    "reference": Preset(
        "The recipe of the document this project started from, to the letter; also the defaults.",
        {
            "model": "unet",
            "width": 64,
            "loss": "cross_entropy",
            "optimizer": "adam",
            "learning_rate": 1e-4,
            "batch_size": 8,
            "epochs": 10,
        },
    ),
    "fast": Preset(
        "Most mean IoU out of some 30,000 samples: rare classes weigh more, because so few steps "
        "teach them nothing otherwise, and the learning rate is ten times that of reference.",
        _FAST,
    ),
    "best": Preset(
        "To convergence: twenty times as long as fast, so frames vary in scale, or they are learnt "
        "by heart; Lovász beside the cross-entropy is slower, and closer to mean IoU.",
        {
            **_FAST,
            "epochs": 200,
            "loss": "cross_entropy+lovasz",
            "scale_min": 0.75,
            "scale_max": 1.5,
        },
    ),
    "demo": Preset(
        "Minutes on two cores: narrow and small, with a large step and weights for rare classes to "
        "get somewhere in that time.",
        {
            "width": 16,
            "size": (128, 256),
            "batch_size": 4,
            "epochs": 40,
            "learning_rate": 4e-3,
            "schedule": "cosine",
            "class_weights": "inverse_log",
            "flip": True,
            "jitter": 0.2,
        },
    ),
}
