"""Steps of an encoder network: beside a busy core, and the arithmetic that cores get done."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Final

import torch
from bench_steps import (
    Failed,
    Taken,
    from_store,
    in_fresh_process,
    kept,
    measure,
    median_of,
    rounded,
)
from torch import nn

from cityseg.config import TrainConfig
from cityseg.errors import ModelError
from cityseg.estimates import measure_step
from cityseg.models.devices import resolve_device, uses_bfloat16
from cityseg.presets import PRESETS

#: The network of the preset for real streets.
ENCODER: Final = {name: PRESETS["street"].settings[name] for name in ("model", "decoder_width")}
WAIT_POLICY: Final = "OMP_WAIT_POLICY"
#: Channels of the plain convolution, 3×3 at half the size.
CHANNELS: Final = 64

#: By network, its settings and how fast its bare step is.
Ceilings = Mapping[str, tuple[TrainConfig, Taken | Failed]]


def print_beside_busy_core(config: TrainConfig, repeats: int, seconds: float) -> None:
    """Ours on idle cores, and with another program on one of them, by how threads wait."""
    settings = {
        "alone, threads sleep (as trainings do)": (False, "PASSIVE"),
        "alone, threads spin (the default of OpenMP)": (False, None),
        "one busy core, threads sleep": (True, "PASSIVE"),
        "one busy core, threads spin": (True, None),
    }
    runs: dict[str, list[Taken | Failed]] = {name: [] for name in settings}
    for _ in range(repeats):
        for name, (is_busy, policy) in settings.items():
            with busy_core() if is_busy else nullcontext(), wait_policy(policy):
                timing = partial(measure, partial(kept, from_store), config, seconds)
                runs[name].append(in_fresh_process(timing))
    print(f"\nBeside other work, {config.model}, batch {config.batch_size}\n")
    print("| cores and threads | samples/s | × first row |\n| --- | ---: | ---: |")
    medians = {name: median_of(values) for name, values in runs.items()}
    first = next(iter(medians.values()))
    for name, taken in medians.items():
        if isinstance(taken, Failed) or isinstance(first, Failed):
            print(f"| {name} | {taken.reason if isinstance(taken, Failed) else ''} | |")
        else:
            ratio = taken.samples_per_second / first.samples_per_second
            print(f"| {name} | {rounded(taken.samples_per_second)} | {ratio:.2f} |", flush=True)


@contextmanager
def busy_core() -> Iterator[None]:
    """A process that keeps one core busy within the block."""
    core = max(os.sched_getaffinity(0))
    code = f"import os; os.sched_setaffinity(0, {{{core}}})\nwhile True: pass"
    with subprocess.Popen([sys.executable, "-c", code]) as process:
        try:
            yield
        finally:
            process.kill()


@contextmanager
def wait_policy(policy: str | None) -> Iterator[None]:
    """How threads of processes that start within the block wait; None is OpenMP's default."""
    before = os.environ.pop(WAIT_POLICY, None)
    if policy:
        os.environ[WAIT_POLICY] = policy
    try:
        yield
    finally:
        os.environ.pop(WAIT_POLICY, None)
        if before is not None:
            os.environ[WAIT_POLICY] = before


def print_arithmetic(ceilings: Ceilings, seconds: float) -> None:
    """Floating-point operations a second in bare steps, beside those of a plain convolution."""
    config = next(config for config, _ in ceilings.values())
    plain = in_fresh_process(partial(convolution_flops, config, seconds))
    print("\nArithmetic, forward and backward\n")
    print("| what | GFLOP a frame | GFLOP/s | × convolution |\n| --- | ---: | ---: | ---: |")
    if isinstance(plain, Failed):
        print(f"| convolution | | {plain.reason} | |")
        return
    print(f"| 3×3 convolution, {CHANNELS} channels | | {rounded(plain / 1e9)} | 1.00 |")
    for name, (settings, taken) in ceilings.items():
        if isinstance(taken, Failed):
            print(f"| {name} | | {taken.reason} | |")
            continue
        try:
            flops = measure_step(settings, trial=False).flops / settings.batch_size
        except ModelError as error:
            print(f"| {name} | | {error} | |")
            continue
        speed = flops * taken.samples_per_second
        shown = f"{rounded(flops / 1e9)} | {rounded(speed / 1e9)} | {speed / plain:.2f}"
        print(f"| {name} | {shown} |", flush=True)


def convolution_flops(config: TrainConfig, seconds: float) -> float:
    """FLOP/s of one convolution, in the number format and memory order of `config`."""
    device = resolve_device(config.device)
    size = [side // 2 for side in config.size]
    order = torch.channels_last if config.channels_last else torch.contiguous_format
    layer = nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1).to(device).to(memory_format=order)
    inputs = torch.rand((config.batch_size, CHANNELS, *size), device=device)
    inputs = inputs.contiguous(memory_format=order).requires_grad_()
    amp = uses_bfloat16(config.amp, device)

    def step() -> None:
        with torch.autocast(device.type, torch.bfloat16) if amp else nullcontext():
            outputs = layer(inputs)
        outputs.backward(torch.ones_like(outputs))
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    step()
    steps, started = 0, time.perf_counter()
    while time.perf_counter() - started < seconds:
        step()
        steps += 1
    elapsed = time.perf_counter() - started
    # A multiplication and an addition are two; backward takes them for inputs and for weights.
    flops = 3 * 2 * 9 * CHANNELS**2 * config.batch_size * size[0] * size[1]
    return flops * steps / elapsed
