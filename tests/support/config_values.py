"""Settings of TrainConfig by kind, with values inside and outside of what they allow."""

from typing import Any

import pytest

from cityseg.config import TrainConfig, choices_of, make_config
from cityseg.errors import ConfigError

FIELDS = TrainConfig.model_fields
NUMBERS = {name for name, field in FIELDS.items() if field.annotation in (int, float)}
CHOICES = [name for name, field in FIELDS.items() if choices_of(field)]

#: (setting, smallest and largest allowed value, a value just too small, one just too large)
BOUNDS: list[tuple[str, Any, Any, Any, Any]] = [
    ("width", 1, 256, 0, 257),
    ("batch_size", 1, 1024, 0, 1025),
    ("epochs", 1, 10_000, 0, 10_001),
    ("learning_rate", 5e-324, 10, 0, 10.001),
    ("decoder_width", 0, 1024, -1, 1025),
    ("encoder_rate", 0, 1, -1e-9, 1.001),
    ("freeze_steps", 0, 10**9, -1, 10**9 + 1),
    ("weight_decay", 0, 1, -1e-9, 1.001),
    ("warmup_steps", 0, None, -1, None),
    ("clip_norm", 0, None, -1e-9, None),
    ("ema", 0, 0.9999, -1e-9, 1),
    ("lovasz_stride", 1, 16, 0, 17),
    ("label_smoothing", 0, 0.99, -1e-9, 1),
    ("scale_min", 0.1, 1, 0.099, 1.001),
    ("scale_max", 1, 10, 0.999, 10.001),
    ("jitter", 0, 1, -1e-9, 1.001),
    ("blur", 0, 10, -1e-9, 10.001),
    ("noise", 0, 1, -1e-9, 1.001),
    ("copy_paste", 0, 1, -1e-9, 1.001),
    ("devices", 1, 64, 0, 65),
    ("seed", 0, 2**63 - 1, -1, 2**63),
    ("save_every", 0, None, -1, None),
    ("checkpoint_minutes", 5e-324, None, 0, None),
    ("patience", 0, None, -1, None),
]

#: Settings of networks with an encoder.
OF_ENCODERS = ("weights", "decoder_width", "encoder_rate", "freeze_steps")
#: For a setting the others without which none of its values, or only some, would do.
BESIDE: dict[str, dict[str, Any]] = {
    "devices": {"batch_size": 64},
    "crop": {"scale_max": 10},
    **{key: {"model": "unet:resnet18"} for key in OF_ENCODERS},
}


def refusal_of(preset: str = "reference", **values: Any) -> str:
    """What `make_config` says of these values, which must be wrong."""
    with pytest.raises(ConfigError) as caught:
        make_config(values, preset)
    return str(caught.value)
