"""What settings come to on some frames: steps, and settings that are valid and do nothing."""

from typing import Final

from cityseg.config.settings import TrainConfig

#: Settings of unet alone: an encoder brings its own.
_OF_UNET: Final = ("width", "norm")
_LOSSES_WITH_WEIGHTS: Final = ("cross_entropy", "ohem")


def steps_of_epoch(config: TrainConfig, frames: int) -> int:
    """Steps in an epoch of `frames` training frames.

    A last batch of a single frame is dropped: its lowest level may have one value in a channel,
    which batch norm refuses.
    """
    full, rest = divmod(frames, config.batch_size)
    return full + (rest > 1 or (rest == 1 and full == 0))


def settings_without_effect(config: TrainConfig, steps: int | None = None) -> list[str]:
    """A sentence, without a stop, for each setting of `config` that does nothing or too much.

    `steps` are those of the whole training, if they are known.
    """
    notes = []
    if config.model != "unet":
        notes += [
            f"{name} {getattr(config, name)} does nothing: it is a setting of unet, not of "
            f"{config.model}"
            for name in _OF_UNET
            if getattr(config, name) != TrainConfig.model_fields[name].default
        ]
    if config.class_weights != "none" and not any(
        each in config.loss for each in _LOSSES_WITH_WEIGHTS
    ):
        notes.append(f"class_weights {config.class_weights} do nothing with the loss {config.loss}")
    if config.lovasz_stride > 1 and "lovasz" not in config.loss:
        notes.append(f"lovasz_stride does nothing with the loss {config.loss}")
    if config.copy_paste and config.batch_size == 1:
        notes.append(
            "copy_paste does nothing with a batch_size of 1: it takes from other frames of a batch"
        )
    if config.crop and any(
        crop > size * config.scale_max for crop, size in zip(config.crop, config.size, strict=True)
    ):
        notes.append(
            "A part of every crop is empty: crop is larger than size at the largest scale_max"
        )
    if steps is not None:
        notes += [
            f"{name} is {getattr(config, name):,}, but the training has {steps:,} steps: {problem}"
            for name, problem in (
                ("freeze_steps", "the encoder never learns"),
                ("warmup_steps", "the learning rate never gets to its peak"),
            )
            if getattr(config, name) >= steps
        ]
    return notes
