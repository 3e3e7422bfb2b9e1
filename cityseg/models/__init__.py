"""Networks: images in, one logit a class and pixel out, whatever the image size.

`unet` is our own; `registry.build_model` also gives every architecture and encoder of
segmentation-models-pytorch behind the same interface. This module itself stays light: torch
is loaded when anything else than `check_model_spec` is first taken from it.
"""

from typing import TYPE_CHECKING

from cityseg.config import check_model_spec

if TYPE_CHECKING:
    from cityseg.models.registry import build_model, count_parameters, model_of

__all__ = ["build_model", "check_model_spec", "count_parameters", "model_of"]


def __getattr__(name: str) -> object:
    if name in __all__:
        from cityseg.models import registry

        return getattr(registry, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
