"""Networks: images in, one logit a class and pixel out, whatever the image size.

`unet` is our own; `registry.build_model` also gives every architecture and encoder of
segmentation-models-pytorch behind the same interface. This module itself stays light: torch
is loaded when `build_model` or `count_parameters` is first taken from it.
"""

import re
from typing import TYPE_CHECKING

from cityseg.errors import ModelError

if TYPE_CHECKING:
    from cityseg.models.registry import build_model, count_parameters

__all__ = ["build_model", "check_model_spec", "count_parameters"]

_SPEC = re.compile(r"([a-z0-9]+)(?::([A-Za-z0-9][A-Za-z0-9_.+-]*))?")


def check_model_spec(spec: str) -> tuple[str, str | None]:
    """Split `architecture` or `architecture:encoder`; the encoder is None where none is named.

    Only the syntax is looked at: which names exist is known when the model is built. Raises
    ModelError if `spec` has another form.
    """
    match = _SPEC.fullmatch(spec)
    if match is None:
        raise ModelError(
            f"the model {spec!r} is neither 'unet' nor of the form architecture:encoder; "
            "write for example 'deeplabv3plus:resnet50'"
        )
    return match[1], match[2]


def __getattr__(name: str) -> object:
    if name in __all__:
        from cityseg.models import registry

        return getattr(registry, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
