"""What a training step costs: its memory and its arithmetic, without taking one, and its speed.

Memory and arithmetic come from a step on tensors that have shapes but no content, so they are
known in a second for networks of any size. The speed is that of a few small steps on the device.
All of it happens in a process of its own, `python -m cityseg.estimates.measure`: torch takes
seconds to import, a CUDA context half a gigabyte for as long as its process lives, and a network
that cannot be built may take its process with it.
"""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cityseg.config import TrainConfig
from cityseg.errors import ModelError

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
    command = [sys.executable, "-m", "cityseg.estimates.measure"]
    try:
        done = subprocess.run(  # noqa: S603 - no shell
            [*command, "--trial"] if trial else command,
            input=config.model_dump_json(),
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_SECONDS,
            check=False,
            cwd=Path(__file__).parents[2],  # where the package is found
        )
        answer: dict[str, Any] = json.loads(done.stdout)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ModelError(f"a step of {config.model!r} could not be measured: {error}") from error
    except ValueError:
        last = [f"exit status {done.returncode}", *done.stderr.strip().splitlines()][-1]
        raise ModelError(f"a step of {config.model!r} could not be measured: {last}") from None
    if "problem" in answer:
        raise ModelError(answer["problem"])
    return StepCost(**answer)
