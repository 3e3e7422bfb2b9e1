"""What a step costs, and its speed, roughly and at once: by formulas, without a measurement.

It is shown for the seconds that a measurement takes. Its spread says how rough it is.
"""

import itertools
import math
import os
from collections.abc import Iterator, Sequence
from typing import Final

from cityseg.config import TrainConfig
from cityseg.estimates.speed import Speed, recent_rates
from cityseg.estimates.step_cost import StepCost
from cityseg.jobs import Entry
from cityseg.labels import NUM_CLASSES
from cityseg.system import device_key

#: Millions of parameters of encoders by the beginning of their names, from their papers.
_ENCODERS: Final = {
    "resnet18": 11.2,
    "resnet34": 21.3,
    "resnet50": 23.5,
    "resnet101": 42.5,
    "resnet152": 58.1,
    "mit_b0": 3.3,
    "mit_b1": 13.2,
    "mit_b2": 24.2,
    "mit_b3": 44.1,
    "mobilenet_v2": 2.2,
    "efficientnet-b0": 4.0,
    "tu-tf_efficientnet_lite": 4.5,
}
_OTHER_ENCODER: Final = 25.0
#: Those of a decoder.
_DECODER: Final = 3.0
#: Multiplications for each input pixel: of a decoder, and for each million of parameters of an
#: encoder (4.1e9 at 224×224 for ResNet-50).
_PRODUCTS: Final = (6e4, 3300.0)
#: Numbers for each input pixel that are kept for the way back, likewise.
_KEPT_NUMBERS: Final = (60.0, 8.0)
#: Bytes of such a number: between those of bfloat16 and float32.
_KEPT_BYTES: Final = 3
#: A step is the way forward and, at twice its cost, the way back; a product and a sum are two.
_FLOPS_OF_PRODUCT: Final = 6
#: Floating-point operations in a second where no run tells more: of a core, of a GPU.
_CORE_SPEED: Final = 4e10
_GPU_SPEED: Final = 2e13
_LEVELS: Final = 5


def rough_cost(config: TrainConfig) -> StepCost:
    """The cost of a step of `config`, within a factor of two or so."""
    parameters, products, kept = _unet(config.width) if config.model == "unet" else _of(config)
    moments = 1 if config.optimizer == "sgd" else 2
    state = int(4 * parameters * (1 + moments + bool(config.ema)))
    pixels = config.frames_per_device * math.prod(config.crop_hw)
    peak = state + 4 * parameters + pixels * kept * _KEPT_BYTES
    flops = int(pixels * products * _FLOPS_OF_PRODUCT)
    return StepCost(int(parameters), state, int(peak), flops)


def rough_speed(config: TrainConfig, entries: Sequence[Entry]) -> Speed:
    """The speed of `config`: by the newest run of any network on this device, else by its kind.

    `list_runs` gives the entries, the newest first.
    """
    device = device_key(config.device)
    of_pixel = _flops_of_pixel(config)
    for flops_per_second in _earlier(device, entries):
        return Speed(flops_per_second / of_pixel, "other")
    speed = _CORE_SPEED * (os.cpu_count() or 1) if device == "cpu" else _GPU_SPEED
    return Speed(speed / of_pixel, "guess")


def relative_time(config: TrainConfig, basis: TrainConfig) -> float:
    """The time of a run of `config` as a multiple of that of `basis`, roughly."""
    one, other = (
        each.epochs * math.prod(each.crop_hw) * _flops_of_pixel(each) for each in (config, basis)
    )
    return one / other


def _earlier(device: str, entries: Sequence[Entry]) -> Iterator[float]:
    """Floating-point operations in a second of runs on this device, the newest first."""
    for config, rate in recent_rates(device, entries):
        yield rate * math.prod(config.crop_hw) * _flops_of_pixel(config)


def _flops_of_pixel(config: TrainConfig) -> float:
    return rough_cost(config).flops / (config.frames_per_device * math.prod(config.crop_hw))


def _unet(width: int) -> tuple[float, float, float]:
    """Parameters, and for each input pixel products and kept numbers, of `models.unet.UNet`."""
    channels = [width * 2**level for level in range(_LEVELS)]
    parameters, products = NUM_CLASSES * (width + 1.0), 1.0 * NUM_CLASSES * width
    for level, (above, here) in enumerate(itertools.pairwise([3, *channels])):
        weights = 9 * (above * here + here * here)
        parameters += weights + 4 * here
        products += weights / 4**level
    for level, (high, low) in enumerate(itertools.pairwise(channels)):
        weights = 4 * low * high + 27 * high * high
        parameters += weights + 5 * high
        products += (low * high + 27 * high * high) / 4**level
    return parameters, products, 22.0 * width


def _of(config: TrainConfig) -> tuple[float, float, float]:
    encoder = config.model.partition(":")[2]
    found = (size for name, size in _ENCODERS.items() if encoder.startswith(name))
    millions = next(found, _OTHER_ENCODER)
    (products, more_products), (kept, more_kept) = _PRODUCTS, _KEPT_NUMBERS
    return (
        1e6 * (millions + _DECODER),
        products + more_products * millions,
        kept + more_kept * millions,
    )
