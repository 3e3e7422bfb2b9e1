"""The cost of a training step: its memory and its arithmetic without taking one, and its speed.

`measure` finds them in a process of its own: torch takes seconds to import, a CUDA context half a
gigabyte for as long as its process lives, and a network that cannot be built may end its process.
"""

import json
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from cityseg.config import TrainConfig
from cityseg.errors import ModelError
from cityseg.system import module_command, spawn

#: Importing torch from a cold disk, building the largest encoders, and the trial.
_TIMEOUT_SECONDS: Final = 120.0
_POLL_SECONDS: Final = 0.2


@dataclass(frozen=True, slots=True)
class StepCost:
    """The cost of a step of a configuration; all numbers have 4 bytes but bfloat16 activations."""

    parameters: int  # numbers that training changes
    state_bytes: int  # of a checkpoint: parameters, buffers, running mean, state of the optimizer
    peak_bytes: int  # of all tensors that are alive at a time, at most; includes the state
    flops: int  # of a step, forward and backward; a multiplication and an addition are two
    flops_per_second: float | None = None  # by the trial on the device


def _always() -> bool:
    return True


def measure_step(
    config: TrainConfig, *, trial: bool, is_wanted: Callable[[], bool] = _always
) -> StepCost:
    """The cost of a step of `config`, with its speed if `trial` is set; takes seconds.

    Raises ModelError if the network cannot be built or does not fit into the device's memory, or
    as soon as `is_wanted` returns false.
    """
    command = module_command("cityseg.estimates.measure", *["--trial"] * trial)
    try:
        status, printed, errors = _communicate(command, config.model_dump_json(), is_wanted)
        answer: dict[str, Any] = json.loads(printed)
    except OSError as error:
        raise ModelError(f"Cannot measure a step of {config.model!r}: {error}") from error
    except subprocess.TimeoutExpired:
        raise ModelError(
            f"Cannot measure a step of {config.model!r}: the machine is so busy that a small step "
            f"takes more than {_TIMEOUT_SECONDS:.0f} seconds"
        ) from None
    except ValueError:
        last = [f"exit status {status}", *errors.strip().splitlines()][-1]
        raise ModelError(f"Cannot measure a step of {config.model!r}: {last}") from None
    if "problem" in answer:
        raise ModelError(answer["problem"])
    return StepCost(**answer)


def _communicate(
    command: list[str], content: str, is_wanted: Callable[[], bool]
) -> tuple[int, str, str]:
    """Run `command` with `content` as its input; its exit status, standard output and error."""
    pipe = subprocess.PIPE
    end = time.monotonic() + _TIMEOUT_SECONDS
    with spawn(command, stdin=pipe, stdout=pipe, stderr=pipe, own_session=False) as process:
        unsent: bytes | None = content.encode()
        try:
            while True:
                try:
                    parts = process.communicate(unsent, timeout=_POLL_SECONDS)
                    break
                except subprocess.TimeoutExpired:
                    unsent = None  # the call has taken it, and refuses it at the next one
                    if not is_wanted() or time.monotonic() > end:
                        raise
        except BaseException:
            process.kill()
            raise
    output, errors = (part.decode(errors="replace") for part in parts)
    return process.returncode, output, errors
