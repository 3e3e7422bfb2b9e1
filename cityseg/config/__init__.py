"""The settings of a training run: TrainConfig, and how to build one from flags, forms, files."""

from cityseg.config.building import (
    EXCLUDED,
    REVIEWED,
    find_problems,
    followed_rate,
    load_config,
    make_config,
    parse_size,
    saved_config,
)
from cityseg.config.effects import settings_without_effect, steps_of_epoch
from cityseg.config.fields import choices_of, settings_that
from cityseg.config.settings import (
    DEVICE_PATTERN,
    MIN_SIDE,
    RESUME_SETTINGS,
    EncoderWeights,
    TrainConfig,
    check_model_spec,
)

__all__ = [
    "DEVICE_PATTERN",
    "EXCLUDED",
    "MIN_SIDE",
    "RESUME_SETTINGS",
    "REVIEWED",
    "EncoderWeights",
    "TrainConfig",
    "check_model_spec",
    "choices_of",
    "find_problems",
    "followed_rate",
    "load_config",
    "make_config",
    "parse_size",
    "saved_config",
    "settings_that",
    "settings_without_effect",
    "steps_of_epoch",
]
