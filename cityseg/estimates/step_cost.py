"""What a training step costs: its memory and its arithmetic, without taking one, and its speed.

Memory and arithmetic come from a step on tensors that have shapes but no content, so they are
known in a second for networks of any size. The speed is that of a few small steps on the device.
All of it happens in a process of its own, `python -m cityseg.estimates.measure`: torch takes
seconds to import, a CUDA context half a gigabyte for as long as its process lives, and a network
that cannot be built may take its process with it.
"""

import json
import subprocess
from dataclasses import dataclass
from typing import Any, Final

from cityseg.config import TrainConfig
from cityseg.errors import ModelError
from cityseg.system import module_command, spawn

#: Importing torch from a cold disk, building the largest encoders, and the trial.
_TIMEOUT_SECONDS: Final = 120.0


@dataclass(frozen=True, slots=True)
class StepCost:
    """What a step of a configuration costs; numbers of 4 bytes, but for activations in bfloat16."""

    parameters: int  # numbers that training changes
    state_bytes: int  # parameters, running statistics and the optimizer's state: a checkpoint
    peak_bytes: int  # most bytes of tensors at a time, the state among them
    flops: int  # of a step, forward and backward; a multiplication and an addition are two
    flops_per_second: float | None = None  # as tried on the device


def measure_step(config: TrainConfig, *, trial: bool) -> StepCost:
    """The cost of a step of `config`, with its speed if `trial` is set; takes seconds.

    Raises ModelError if the network cannot be built or does not fit the device.
    """
    command = module_command("cityseg.estimates.measure", *["--trial"] * trial)
    try:
        status, printed, errors = _communicate(command, config.model_dump_json())
        answer: dict[str, Any] = json.loads(printed)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ModelError(f"a step of {config.model!r} could not be measured: {error}") from error
    except ValueError:
        last = [f"exit status {status}", *errors.strip().splitlines()][-1]
        raise ModelError(f"a step of {config.model!r} could not be measured: {last}") from None
    if "problem" in answer:
        raise ModelError(answer["problem"])
    return StepCost(**answer)


def _communicate(command: list[str], content: str) -> tuple[int, str, str]:
    """The exit status of `command`, which reads `content`, and all it prints: output, errors."""
    pipe = subprocess.PIPE
    with spawn(command, stdin=pipe, stdout=pipe, stderr=pipe, own_session=False) as process:
        try:
            parts = process.communicate(content.encode(), timeout=_TIMEOUT_SECONDS)
        except BaseException:
            process.kill()
            raise
    output, errors = (part.decode(errors="replace") for part in parts)
    return process.returncode, output, errors
