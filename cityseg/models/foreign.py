"""Networks whose weights other programs have trained: their models by name, and their pixels."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from cityseg.errors import ModelError
from cityseg.models.inputs import MEAN, STD, of_channels
from cityseg.models.registry import AnySize, build_model


def build_plain(spec: str, num_classes: int, settings: Mapping[str, Any]) -> nn.Module:
    """Build a model whose tensors have the names that its own library gives them.

    `spec` is that of `build_model`, with its `settings`, or the name of a segmentation model of
    torchvision, without an auxiliary classifier. Weights are random. Raises ModelError.
    """
    if ":" in spec or "_" not in spec:
        return build_model(spec, num_classes=num_classes, **settings)
    from torchvision import models

    known = models.list_models(module=models.segmentation)
    if spec not in known:
        raise ModelError(
            f"No model is called {spec!r}: write ARCHITECTURE:ENCODER for a network of "
            f"segmentation_models_pytorch, or one of torchvision's {', '.join(known)}"
        )
    network: nn.Module = models.get_model(
        spec, weights=None, weights_backbone=None, num_classes=num_classes, aux_loss=False
    )
    return network


def named_part(model: nn.Module) -> nn.Module:
    """The part of a model of `build_plain` whose tensors are in a state dict."""
    return model.network if isinstance(model, AnySize) else model


class Foreign(nn.Module):
    """Takes pixels that `normalise` has normalised, whatever the network was trained on.

    Of torchvision's results, which are dicts, it returns the logits.
    """

    def __init__(
        self, network: nn.Module, mean: Sequence[float] | None, std: Sequence[float] | None
    ) -> None:
        """Wrap `network`, whose pixels from 0 to 1 have this `mean` and `std` (ImageNet's)."""
        super().__init__()
        self.network = network
        own_mean, own_std, mean_of_ours, std_of_ours = of_channels(
            (mean or MEAN, std or STD, MEAN, STD), torch.device("cpu")
        )
        self.scale: Tensor
        self.shift: Tensor
        self.register_buffer("scale", std_of_ours / own_std)
        self.register_buffer("shift", (mean_of_ours - own_mean) / own_std)

    def forward(self, pixels: Tensor) -> Tensor:
        """(B, 3, H, W) normalised with ImageNet's mean and deviation to (B, C, H, W) logits."""
        found: Tensor | dict[str, Tensor] = self.network(pixels * self.scale + self.shift)
        return found["out"] if isinstance(found, dict) else found
