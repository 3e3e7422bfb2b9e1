"""The cost of a training step: its memory and its arithmetic without taking one, and its speed.

`measure` finds them in a process of its own: torch takes seconds to import, a CUDA context half a
gigabyte for as long as its process lives, and a network that cannot be built may end its process.
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
    """The cost of a step of a configuration; all numbers have 4 bytes but bfloat16 activations."""

    parameters: int  # numbers that training changes
    state_bytes: int  # of a checkpoint: parameters, buffers, running mean, state of the optimizer
    peak_bytes: int  # of all tensors that are alive at a time, at most; includes the state
    flops: int  # of a step, forward and backward; a multiplication and an addition are two
    flops_per_second: float | None = None  # by the trial on the device


def measure_step(config: TrainConfig, *, trial: bool) -> StepCost:
    """The cost of a step of `config`, with its speed if `trial` is set; takes seconds.

    Raises ModelError if the network cannot be built or does not fit into the device's memory.
    """
    command = module_command("cityseg.estimates.measure", *["--trial"] * trial)
    try:
        status, printed, errors = _communicate(command, config.model_dump_json())
        answer: dict[str, Any] = json.loads(printed)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ModelError(f"Cannot measure a step of {config.model!r}: {error}") from error
    except ValueError:
        last = [f"exit status {status}", *errors.strip().splitlines()][-1]
        raise ModelError(f"Cannot measure a step of {config.model!r}: {last}") from None
    if "problem" in answer:
        raise ModelError(answer["problem"])
    return StepCost(**answer)


def _communicate(command: list[str], content: str) -> tuple[int, str, str]:
    """Run `command` with `content` as its input; its exit status, standard output and error."""
    pipe = subprocess.PIPE
    with spawn(command, stdin=pipe, stdout=pipe, stderr=pipe, own_session=False) as process:
        try:
            parts = process.communicate(content.encode(), timeout=_TIMEOUT_SECONDS)
        except BaseException:
            process.kill()
            raise
    output, errors = (part.decode(errors="replace") for part in parts)
    return process.returncode, output, errors
