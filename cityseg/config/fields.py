"""What the fields of TrainConfig declare beside their types: effects of a setting, its choices."""

from typing import Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from cityseg.config.settings import TrainConfig


def choices_of(field: FieldInfo) -> tuple[str, ...]:
    """The values of a setting that takes one of a few words; () for all other settings."""
    is_choice = get_origin(field.annotation) is Literal
    return get_args(field.annotation) if is_choice else ()


def settings_that(
    effect: Literal["changes_memory", "changes_speed", "shapes_network"],
) -> tuple[str, ...]:
    """The settings on which the memory of a training step, its time for each pixel, or the shapes
    of the network's weights depend.
    """
    marks = {name: field.json_schema_extra for name, field in TrainConfig.model_fields.items()}
    return tuple(name for name, mark in marks.items() if isinstance(mark, dict) and effect in mark)
