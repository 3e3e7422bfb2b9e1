"""Networks that map images of any size to a logit for each class and pixel.

`unet` is our own; `build_model` also builds every architecture with every encoder of
segmentation-models-pytorch. Importing this package loads no torch: all names but
`check_model_spec` load it when they are first used.
"""

from typing import TYPE_CHECKING

from cityseg.config import check_model_spec

if TYPE_CHECKING:
    from cityseg.models.registry import (
        blank_model_of,
        build_model,
        count_parameters,
        encoder_of,
        model_of,
    )

__all__ = [
    "blank_model_of",
    "build_model",
    "check_model_spec",
    "count_parameters",
    "encoder_of",
    "model_of",
]


def __getattr__(name: str) -> object:
    if name in __all__:
        from cityseg.models import registry

        return getattr(registry, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
