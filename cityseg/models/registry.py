"""Models by name: our U-Net, and all that segmentation-models-pytorch (smp) can build.

smp and timm take seconds to import, so they are imported only when such a model is asked for.
"""

import difflib
import textwrap
from pathlib import Path

import torch
from torch import Tensor, nn

from cityseg.config import EncoderWeights, TrainConfig
from cityseg.errors import ModelError
from cityseg.labels import NUM_CLASSES
from cityseg.models import check_model_spec
from cityseg.models.unet import Norm, UNet, pad_to_multiple
from cityseg.models.weights import impatient_hub, load_encoder_weights

ENCODER_LIST = "https://smp.readthedocs.io/en/latest/encoders.html"


class AnySize(nn.Module):
    """A network that needs multiples of some size -> one that takes (B, 3, H, W), H and W ≥ 1."""

    def __init__(self, network: nn.Module, multiple: int) -> None:
        """Keep the network under `network`; heights and widths are padded to `multiple`."""
        super().__init__()
        self.network = network
        self.multiple = multiple

    def forward(self, images: Tensor) -> Tensor:
        """Pad, run, crop: logits (B, classes, H, W)."""
        height, width = images.shape[-2:]
        logits: Tensor = self.network(pad_to_multiple(images, self.multiple))
        return logits[..., :height, :width]


def build_model(
    spec: str,
    *,
    width: int = 64,
    norm: Norm = "batch",
    num_classes: int = NUM_CLASSES,
    weights: str | Path = "none",
) -> nn.Module:
    """Build `unet` (ours, `width` wide, with this `norm`) or any `architecture:encoder` of smp.

    The model maps float images (B, 3, H, W), normalised, to logits (B, num_classes, H, W) for
    any H and W ≥ 1. `weights` says how the encoder starts: "none" (at random), "imagenet"
    (fetched, or from the Hugging Face cache) or a file (see `load_encoder_weights`).

    Raises ModelError if a name is unknown, the parts do not fit together, or the weights cannot
    be had.
    """
    architecture, encoder = check_model_spec(spec)
    if encoder is None:
        if architecture != "unet":
            raise ModelError(_why_no_encoder(architecture))
        if weights != "none":
            raise ModelError(
                f"the model 'unet' has no encoder that could start from the weights {weights!s}; "
                "leave weights at 'none', or take an encoder, for example 'unet:resnet34'"
            )
        return UNet(width=width, num_classes=num_classes, norm=norm)
    _check_names(architecture, encoder)
    network = _construct(spec, num_classes)
    multiple = _least_multiple(network, spec, num_classes)
    if weights == "imagenet":
        network = _construct_pretrained(spec, num_classes)
    elif weights != "none":
        load_encoder_weights(network.get_submodule("encoder"), Path(weights))
    return AnySize(network, multiple)


def model_of(config: TrainConfig, *, weights: EncoderWeights = "none") -> nn.Module:
    """Build the network that `config` describes; raises ModelError as `build_model` does."""
    return build_model(config.model, width=config.width, norm=config.norm, weights=weights)


def count_parameters(model: nn.Module) -> int:
    """Count the numbers that training changes (batch norm's running statistics are not)."""
    return sum(parameter.numel() for parameter in model.parameters())


def architectures() -> tuple[str, ...]:
    """Name smp's architectures, each of which needs an encoder."""
    import segmentation_models_pytorch as smp

    return tuple(smp.MODEL_ARCHITECTURES_MAPPING)


def _why_no_encoder(architecture: str) -> str:
    known = architectures()
    if architecture in known:
        encoder = "tu-vit_small_patch16_224" if architecture == "dpt" else "resnet34"
        return f"the model {architecture!r} needs an encoder: write '{architecture}:{encoder}'"
    return (
        f"no architecture is called {architecture!r}; there are 'unet' and, each with an encoder "
        f"as in 'fpn:resnet34', {', '.join(known)}"
    )


def _check_names(architecture: str, encoder: str) -> None:
    import timm
    from segmentation_models_pytorch.encoders import encoders

    if architecture not in architectures():
        raise ModelError(_why_no_encoder(architecture))
    if encoder in encoders or (encoder.startswith("tu-") and timm.is_model(encoder[3:])):
        return
    known = [*encoders, *(f"tu-{name}" for name in timm.list_models())]
    close = difflib.get_close_matches(encoder, known, n=4, cutoff=0.5)
    hint = f"close to it are {', '.join(close)}" if close else "nothing is close to it"
    raise ModelError(f"no encoder is called {encoder!r}; {hint}; all are listed at {ENCODER_LIST}")


def _construct(spec: str, num_classes: int, weights: str | bool | None = None) -> nn.Module:
    import segmentation_models_pytorch as smp

    architecture, _, encoder = spec.partition(":")
    # Vision and Swin transformers are built for one image size unless told otherwise.
    one_size = architecture == "dpt" or encoder.startswith("tu-swin")
    options = {"dynamic_img_size": True} if one_size else {}
    try:
        network: nn.Module = smp.create_model(
            architecture, encoder, encoder_weights=weights, classes=num_classes, **options
        )
    except Exception as error:
        raise ModelError(f"{spec!r} cannot be built: {error}; take another encoder") from error
    return network


def _least_multiple(network: nn.Module, spec: str, num_classes: int) -> int:
    """Find the least size whose multiples the network maps to logits of the same size.

    Tried out, because encoders know their stride but not what decoders (PAN: 128) and windowed
    attention need. Networks that are made for one image size find none.
    """
    network.eval()
    failure: object = None
    for multiple in (32, 64, 128, 256):
        try:
            with torch.no_grad():
                shape = tuple(network(torch.zeros(1, 3, multiple, 2 * multiple)).shape)
        except Exception as error:
            failure = error
            continue
        if shape == (1, num_classes, multiple, 2 * multiple):
            network.train()
            return multiple
        failure = f"{multiple}×{2 * multiple} pixels gave logits of shape {shape}"
    raise ModelError(
        f"{spec!r} does not take images of any size ({failure}); take another encoder"
    ) from (failure if isinstance(failure, Exception) else None)


def _construct_pretrained(spec: str, num_classes: int) -> nn.Module:
    encoder = spec.partition(":")[2]
    source = _imagenet_source(encoder)
    try:
        with impatient_hub():
            return _construct(spec, num_classes, True if encoder.startswith("tu-") else "imagenet")
    except ModelError as error:
        reason = textwrap.shorten(str(error.__cause__), 150, placeholder=" …")
        raise ModelError(
            f"the ImageNet weights of {encoder!r} ({source}) could not be fetched ({reason}); "
            "download the file elsewhere and give its path as weights, or set weights to 'none'"
        ) from error


def _imagenet_source(encoder: str) -> str:
    """Say where the ImageNet weights of `encoder` come from; ModelError if there are none."""
    import timm
    from segmentation_models_pytorch.encoders import encoders

    if encoder.startswith("tu-"):
        settings = timm.get_pretrained_cfg(encoder[3:])
        if settings is not None and settings.has_weights:
            return str(settings.hf_hub_id or settings.url)
        others: list[str] = timm.list_pretrained(f"{encoder[3:].split('.')[0]}*")
    else:
        pretrained = encoders[encoder]["pretrained_settings"]
        if "imagenet" in pretrained:
            where = pretrained["imagenet"]
            return f"https://huggingface.co/{where['repo_id']}, model.safetensors"
        others = list(pretrained)
    raise ModelError(
        f"there are no ImageNet weights for {encoder!r} (there are: {', '.join(others) or 'none'}"
        "); set weights to 'none' or to a file, or take another encoder"
    )
