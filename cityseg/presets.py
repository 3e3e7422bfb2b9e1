"""Presets: settings of TrainConfig by name, and the reasons for them."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple


class Preset(NamedTuple):
    """Settings on top of the defaults, and the reasons for them in a sentence."""

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

#: Presets in the order of forms and --help; docs/accuracy.md has the measurements behind them.
PRESETS: Final[Mapping[str, Preset]] = {
    "reference": Preset(
        "The reference recipe: a U-Net with cross-entropy and Adam. These are the defaults.",
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
        "The highest mean IoU after some 30,000 samples. Rare classes weigh more, as so few steps "
        "would not teach them otherwise, and the learning rate is ten times that of reference.",
        _FAST,
    ),
    "best": Preset(
        "Trained to convergence, twenty times as long as fast. Frames vary in scale, against "
        "overfitting; the Lovász loss beside cross-entropy is slower, and closer to mean IoU.",
        {
            **_FAST,
            "epochs": 200,
            "loss": "cross_entropy+lovasz",
            "scale_min": 0.75,
            "scale_max": 1.5,
        },
    ),
    "street": Preset(
        "A small network for real streets, from ImageNet, in hours on two cores: its encoder and "
        "its slim decoder are fast on a CPU. Crops of many scales, blur and noise prepare it for "
        "pictures of other cameras.",
        {
            "model": "fpn:tu-tf_efficientnet_lite2",
            "decoder_width": 96,
            "weights": "imagenet",
            "size": (256, 512),
            "crop": (192, 320),
            "epochs": 40,
            "optimizer": "adamw",
            "learning_rate": 1e-3,
            "encoder_rate": 0.5,
            "freeze_steps": 300,
            "weight_decay": 0.02,
            "schedule": "cosine",
            "warmup_steps": 300,
            "ema": 0.999,
            "loss": "cross_entropy+lovasz",
            "lovasz_stride": 2,
            "class_weights": "inverse_log",
            "scale_min": 0.75,
            "scale_max": 2.0,
            "flip": True,
            "jitter": 0.4,
            "blur": 1.0,
            "noise": 0.03,
        },
    ),
    "finetune": Preset(
        "The network in the box, on 20 to 200 frames of one's own, in minutes on two cores. It "
        "knows streets already: a low rate for the encoder keeps that, small batches make many "
        "steps of few frames, and large crops of similar scale teach what is special about them.",
        {
            "start_from": "box",
            "model": "fpn:tu-tf_efficientnet_lite2",
            "decoder_width": 96,
            "size": (256, 512),
            "crop": (224, 384),
            "batch_size": 4,
            "epochs": 15,
            "optimizer": "adamw",
            "learning_rate": 5e-4,
            "encoder_rate": 0.1,
            "weight_decay": 0.02,
            "schedule": "cosine",
            "warmup_steps": 20,
            "ema": 0.98,
            "loss": "cross_entropy+lovasz",
            "lovasz_stride": 2,
            "class_weights": "inverse_log",
            "scale_min": 0.75,
            "scale_max": 1.5,
            "flip": True,
            "jitter": 0.3,
        },
    ),
    "demo": Preset(
        "Minutes on two cores. The network is narrow and frames are small; a high learning rate "
        "and weights for rare classes make the most of that time.",
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
