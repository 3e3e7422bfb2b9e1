"""Models by name: our U-Net, and those of segmentation-models-pytorch (smp).

smp and timm take seconds to import, so they are imported only when such a model is built.
"""

import difflib
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from cityseg.config import EncoderWeights, TrainConfig
from cityseg.errors import ConfigError, ModelError
from cityseg.labels import NUM_CLASSES
from cityseg.models import check_model_spec
from cityseg.models.unet import Norm, UNet, pad_to_multiple
from cityseg.models.weights import impatient_hub, installed_weights, load_encoder_weights

#: In the message of batch norm, which raises plain ValueError.
SINGLE_VALUE = "Expected more than 1 value per channel when training"
ENCODER_LIST = "https://smp.readthedocs.io/en/latest/encoders.html"


class AnySize(nn.Module):
    """Makes a network that needs multiples of some size take (B, 3, H, W) with any H and W ≥ 1."""

    def __init__(self, network: nn.Module, multiple: int) -> None:
        """Wrap `network`, whose inputs are padded to multiples of `multiple`."""
        super().__init__()
        self.network = network
        self.multiple = multiple

    def forward(self, images: Tensor) -> Tensor:
        """Pad, run, crop; returns logits (B, classes, H, W)."""
        height, width = images.shape[-2:]
        logits: Tensor = self.network(pad_to_multiple(images, self.multiple))
        return logits[..., :height, :width]


def build_model(
    spec: str,
    *,
    width: int = 64,
    norm: Norm = "batch",
    decoder_width: int = 0,
    num_classes: int = NUM_CLASSES,
    weights: str | Path = "none",
) -> nn.Module:
    """Build `unet` (with `width` and `norm`) or an `architecture:encoder` of smp.

    With an encoder, `decoder_width` is the number of channels of the decoder where it is widest;
    the other parts keep their proportions. 0 takes the default of the architecture.

    The model maps float images (B, 3, H, W), normalised, to logits (B, num_classes, H, W) for any
    H and W ≥ 1. The encoder starts from `weights`: "none" (random), "imagenet" (in an installed
    package, from the Hugging Face cache, or downloaded) or a file (see `load_encoder_weights`).

    Raises ModelError if a name is unknown, architecture and encoder do not fit together, or the
    weights cannot be loaded.
    """
    architecture, encoder = check_model_spec(spec)
    if encoder is None:
        if architecture != "unet":
            raise ModelError(_why_no_encoder(architecture))
        if weights != "none":
            raise ModelError(
                f"The model 'unet' has no encoder that could start from the weights {weights!s}: "
                "leave weights at 'none', or choose an encoder, for example 'unet:resnet34'"
            )
        return UNet(width=width, num_classes=num_classes, norm=norm)
    _check_names(architecture, encoder)
    options = _decoder_options(architecture, decoder_width)
    network = _construct(spec, num_classes, options)
    multiple = _least_multiple(network, spec, num_classes)
    if weights == "imagenet" and (path := installed_weights(encoder)):
        weights = path
    if weights == "imagenet":
        network = _construct_pretrained(spec, num_classes, options)
    elif weights != "none":
        load_encoder_weights(network.get_submodule("encoder"), Path(weights))
    return AnySize(network, multiple)


def model_of(config: TrainConfig, *, weights: EncoderWeights = "none") -> nn.Module:
    """Build the network of `config`; raises ModelError as `build_model` does."""
    return build_model(
        config.model,
        width=config.width,
        norm=config.norm,
        decoder_width=config.decoder_width,
        weights=weights,
    )


def encoder_of(model: nn.Module) -> nn.Module | None:
    """The encoder of a network that `build_model` built; None for `unet`, which has none."""
    return model.network.get_submodule("encoder") if isinstance(model, AnySize) else None


def check_network(config: TrainConfig) -> None:
    """Raise ModelError if the network of `config` cannot be built with its first weights.

    ImageNet weights that neither a package nor the cache has are downloaded: a training does that
    first as well, and whether it can is known only afterwards.
    """
    if config.weights == "none":
        _without_content(config)
    else:
        model_of(config, weights=config.weights)


def check_batch(config: TrainConfig, frames: int) -> None:
    """Raise ConfigError if the batch norms of a network cannot be trained on so few `frames`.

    They need more than one value in each channel: more than one frame where a level is one pixel.
    """
    model = _without_content(config).train()
    device = next(model.parameters()).device
    try:
        with torch.no_grad():
            model(torch.zeros(frames, 3, *config.crop_hw, device=device))
    except ValueError as error:
        if SINGLE_VALUE not in str(error):
            return
        height, width = config.crop_hw
        raise ConfigError(
            f"A batch of {frames} frame of {height}x{width} leaves batch norm a single value in a "
            "channel: choose a larger batch_size or crop, or for unet norm group"
        ) from error
    except (RuntimeError, NotImplementedError):  # a layer that needs content: training will tell
        return


def blank_model_of(config: TrainConfig) -> nn.Module:
    """Build the network of `config` with shapes but without content: on the device meta.

    Raises ModelError as `build_model` does, and for networks that need content while they are
    built.
    """
    with torch.device("meta"), _WithoutFirstWeights():
        return model_of(config)


class _WithoutFirstWeights(TorchFunctionMode):
    """Draws no first weights.

    Those of the device meta have no content, and for a normal distribution there torch imports its
    compiler: seconds, and a folder among the temporary files.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is Tensor.normal_ or getattr(func, "__module__", "") == nn.init.__name__:
            return args[0] if args else (kwargs or {})["tensor"]
        return func(*args, **(kwargs or {}))


def _without_content(config: TrainConfig) -> nn.Module:
    """The network of `config` with shapes only, or where it cannot be built so, a whole one."""
    try:
        return blank_model_of(config)
    except ModelError:
        return model_of(config)


def count_parameters(model: nn.Module) -> int:
    """Number of trained values; the running statistics of batch norms do not count."""
    return sum(parameter.numel() for parameter in model.parameters())


def architectures() -> tuple[str, ...]:
    """The names of smp's architectures, each of which needs an encoder."""
    import segmentation_models_pytorch as smp

    return tuple(smp.MODEL_ARCHITECTURES_MAPPING)


def _why_no_encoder(architecture: str) -> str:
    known = architectures()
    if architecture in known:
        encoder = "tu-vit_small_patch16_224" if architecture == "dpt" else "resnet34"
        return f"The model {architecture!r} needs an encoder: write '{architecture}:{encoder}'"
    return (
        f"No architecture is called {architecture!r}: choose 'unet' or, with an encoder as in "
        f"'fpn:resnet34', one of {', '.join(known)}"
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
    hint = f"similar names are {', '.join(close)}" if close else "no name is similar"
    raise ModelError(f"No encoder is called {encoder!r}: {hint}; {ENCODER_LIST} lists all")


def _decoder_options(architecture: str, width: int) -> dict[str, Any]:
    """The arguments of smp for a decoder of `width` channels; raises ModelError if it has none."""
    if not width:
        return {}
    match architecture:
        case "unet" | "unetplusplus" | "manet":
            return {"decoder_channels": tuple(max(width >> stage, 1) for stage in range(5))}
        case "fpn":
            return {"decoder_pyramid_channels": width, "decoder_segmentation_channels": width}
        case "segformer":
            return {"decoder_segmentation_channels": width}
        case "deeplabv3" | "deeplabv3plus" | "pan" | "upernet":
            return {"decoder_channels": width}
        case "pspnet":
            return {"psp_out_channels": width}
        case _:
            raise ModelError(
                f"The width of the decoder of {architecture!r} cannot be chosen: set decoder_width "
                "to 0, or choose another architecture, such as unet, fpn or segformer"
            )


def _construct(
    spec: str,
    num_classes: int,
    decoder: Mapping[str, Any],
    weights: str | bool | None = None,
) -> nn.Module:
    import segmentation_models_pytorch as smp

    architecture, _, encoder = spec.partition(":")
    # By default, timm builds vision and Swin transformers for one image size.
    one_size = architecture == "dpt" or encoder.startswith("tu-swin")
    options = {**decoder, **({"dynamic_img_size": True} if one_size else {})}
    try:
        network: nn.Module = smp.create_model(
            architecture, encoder, encoder_weights=weights, classes=num_classes, **options
        )
    except Exception as error:
        raise ModelError(
            f"The model {spec!r} cannot be built ({error}): choose another encoder"
        ) from error
    return network


def _least_multiple(network: nn.Module, spec: str, num_classes: int) -> int:
    """The smallest size whose multiples the network maps to logits of the same size.

    Found by trying: encoders know their stride, but not what decoders (PAN: 128) and windowed
    attention need. Raises ModelError for networks that take one image size only.
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
        f"The model {spec!r} does not take images of any size ({failure}): choose another encoder"
    ) from (failure if isinstance(failure, Exception) else None)


def _construct_pretrained(spec: str, num_classes: int, decoder: Mapping[str, Any]) -> nn.Module:
    encoder = spec.partition(":")[2]
    source = _imagenet_source(encoder)
    try:
        with impatient_hub():
            name = True if encoder.startswith("tu-") else "imagenet"
            return _construct(spec, num_classes, decoder, name)
    except ModelError as error:
        reason = textwrap.shorten(str(error.__cause__), 150, placeholder=" …")
        raise ModelError(
            f"The ImageNet weights of {encoder!r} ({source}) could not be downloaded ({reason}): "
            "download the file elsewhere and give its path as weights, or set weights to 'none'"
        ) from error


def _imagenet_source(encoder: str) -> str:
    """The address of the ImageNet weights of `encoder`; raises ModelError if there are none."""
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
        f"There are no ImageNet weights for {encoder!r} (only {', '.join(others) or 'none at all'}"
        "): set weights to 'none' or to a file, or choose another encoder"
    )
