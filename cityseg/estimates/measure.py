"""`python -m cityseg.estimates.measure`: a configuration in, the cost of its training step out.

Both are JSON, on standard input and output; an error is {"problem": message}. `step_cost` starts
this process.

Memory and arithmetic come from a step on torch's meta device, whose tensors have shapes but no
content: they are known in a second for networks of any size. With `--trial`, the speed comes from a
few small steps on the device.
"""

import json
import logging
import math
import sys
import time
import weakref
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict, replace
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from cityseg.config import TrainConfig, make_config
from cityseg.errors import CitysegError
from cityseg.estimates.step_cost import StepCost
from cityseg.labels import NUM_CLASSES
from cityseg.models import blank_model_of, count_parameters, model_of
from cityseg.models.devices import resolve_device, uses_bfloat16
from cityseg.training import (
    Loss,
    build_loss,
    build_optimizer,
    new_model,
    torch_errors_explained,
    torch_set_up,
)

#: Frames, height and width of the first step of the trial.
_TRIAL_SHAPE: Final = (2, 64, 128)
#: The trial grows until a step takes this long: shorter ones are slower for each pixel.
_TRIAL_SECONDS: Final = 0.2
#: Most memory of the trial, because a training may run on the same device and need the rest.
_TRIAL_BYTES: Final = 2 << 30

#: Frames, height, width.
_Shape = tuple[int, int, int]


def main() -> None:
    """Answer on standard output."""
    config = make_config(json.load(sys.stdin))
    logging.disable()
    try:
        with torch_errors_explained():
            answer = asdict(measure_here(config, trial="--trial" in sys.argv))
    except CitysegError as error:
        answer = {"problem": str(error)}
    print(json.dumps(answer))  # noqa: T201


def measure_here(config: TrainConfig, *, trial: bool) -> StepCost:
    """`measure_step` in this process; raises CitysegError."""
    device = resolve_device(config.device)
    # Built on the meta device our own network needs no memory. Encoders of other libraries compute
    # with numbers while they are built, and are moved there afterwards.
    model = blank_model_of(config) if config.model == "unet" else model_of(config).to("meta")
    cost = _cost_on_meta(config, model, uses_bfloat16(config.amp, device))
    if trial and cost.state_bytes < _TRIAL_BYTES / 2:
        with torch_set_up(config.seed, device):
            return replace(cost, flops_per_second=_trial_speed(config, device, cost))
    return cost


# --- a step on the meta device -----------------------------------------------------------------


def _cost_on_meta(config: TrainConfig, model: nn.Module, amp: bool) -> StepCost:
    parameters = count_parameters(model)
    state = _state_bytes(config, model)
    others = state
    if amp:  # the meta device has no autocast: casting the network gives activations their size
        model = model.to(torch.bfloat16)
        # 2 bytes each for autocast's copies of the parameters, and for gradients, which in a real
        # step stay float32.
        others += 4 * parameters
    loss = build_loss(config, np.zeros(NUM_CLASSES + 1, np.int64), torch.device("meta"))
    with AliveBytes() as alive, FlopCounterMode(display=False) as counter:
        _step_on_meta(config, model, loss)
    flops = counter.get_total_flops()
    with AliveBytes() as validating, torch.no_grad():
        inputs, truth = _batch_on_meta(config, config.size, model)
        loss(model.eval()(inputs), truth)
    # Validation sees whole frames, training may see crops: either can need more.
    return StepCost(parameters, state, others + max(alive.most, validating.most), flops)


def _state_bytes(config: TrainConfig, model: nn.Module) -> int:
    """Bytes of a training state: the network, its running mean, and the optimizer's moments."""
    network: int = sum(tensor.nbytes for tensor in model.state_dict().values())
    networks = 2 if config.ema else 1  # the running mean is a copy of all, buffers too
    moments = 1 if config.optimizer == "sgd" else 2
    return networks * network + 4 * count_parameters(model) * moments


def _step_on_meta(config: TrainConfig, model: nn.Module, loss: Loss) -> None:
    for parameter in model.parameters():  # gradients live from step to step, until zero_grad
        parameter.grad = torch.empty_like(parameter)
    inputs, truth = _batch_on_meta(config, config.crop_hw, model)
    value = loss(model.train()(inputs), truth)
    model.zero_grad(set_to_none=True)
    value.backward()  # type: ignore[no-untyped-call]


def _batch_on_meta(
    config: TrainConfig, size_hw: tuple[int, int], model: nn.Module
) -> tuple[Tensor, Tensor]:
    """Inputs in the number format of `model`, and the truth; the caller keeps them alive."""
    number_format = next(model.parameters()).dtype
    shape = (config.frames_per_device, 3, *size_hw)
    inputs = torch.empty(shape, dtype=number_format, device="meta")
    return inputs, torch.empty((shape[0], *size_hw), dtype=torch.int64, device="meta")


class AliveBytes(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Count the bytes of tensors that were created in the block and are alive: now, and at most."""

    def __init__(self) -> None:
        """Start at 0 bytes."""
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = self.most = 0
        self._sizes: dict[int, int] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the operation, and count the tensors of its result."""
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor):
                self._note(leaf.untyped_storage())
        return result

    def _note(self, storage: torch.UntypedStorage) -> None:
        if storage._cdata not in self._sizes:  # views share a storage
            self._sizes[storage._cdata] = storage.nbytes()
            self.now += storage.nbytes()
            self.most = max(self.most, self.now)
            weakref.finalize(storage, self._forget, storage._cdata)

    def _forget(self, key: int) -> None:
        self.now -= self._sizes.pop(key)


# --- steps on the device -----------------------------------------------------------------------


def _trial_speed(config: TrainConfig, device: torch.device, cost: StepCost) -> float:
    """FLOPs in a second, by steps that grow until they take long enough, or are those of a run."""
    step = _trial_step(config, device)
    whole = (config.frames_per_device, *config.crop_hw)
    shape = _smaller(_TRIAL_SHAPE, whole)
    while True:
        # The first step of a shape is not timed: cuDNN tries its algorithms, memory is allocated.
        with FlopCounterMode(display=False) as counter:
            step(shape)
        started = time.perf_counter()
        step(shape)
        seconds = time.perf_counter() - started
        grown = _smaller(
            (shape[0] * (1 if shape[1:] < whole[1:] else 2), 2 * shape[1], 2 * shape[2]), whole
        )
        is_large = math.prod(grown) / math.prod(whole) * cost.peak_bytes > _TRIAL_BYTES
        if seconds > _TRIAL_SECONDS or grown == shape or is_large:
            return int(counter.get_total_flops()) / seconds
        shape = grown


def _trial_step(config: TrainConfig, device: torch.device) -> Callable[[_Shape], float]:
    """A function that trains on noise of some shape, and waits for the device.

    The running mean of the weights is left out: its time does not grow with the pixels, so in these
    small steps it would count for many times its share.
    """
    model = new_model(config, device, weights="none")
    order = torch.channels_last if config.channels_last else torch.contiguous_format
    optimizer = build_optimizer(config, model)
    loss = build_loss(config, np.zeros(NUM_CLASSES + 1, np.int64), device)
    amp = uses_bfloat16(config.amp, device)

    def step(shape: _Shape) -> float:
        inputs = torch.rand((shape[0], 3, *shape[1:]), device=device).contiguous(
            memory_format=order
        )
        truth = torch.randint(NUM_CLASSES, shape, device=device)
        with torch.autocast(device.type, torch.bfloat16) if amp else nullcontext():
            logits = model(inputs)
        value = loss(logits, truth)
        optimizer.zero_grad(set_to_none=True)
        value.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        return float(value.detach())  # waits for a GPU, which only then has finished the step

    return step


def _smaller(one: _Shape, other: _Shape) -> _Shape:
    frames, height, width = map(min, one, other)
    return frames, height, width


if __name__ == "__main__":
    main()
