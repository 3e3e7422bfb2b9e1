"""The processes that torchrun starts, without torch: which of them this one is, and how they end.

torchrun starts each in a session of its own, and does not end them when it is killed itself. So a
process that torchrun starts, and a torchrun that is started here, ask the system to be killed with
the one that started them: a training of many processes ends as one of a single process does.
"""

import ctypes
import os
import runpy
import signal
import sys
from dataclasses import dataclass
from typing import Final, Self

#: The reason of a training in one process that ended because another one did.
RANK_LOST: Final = "rank_lost"

#: Set by torchrun alone. RANK and WORLD_SIZE are set by schedulers, too, whose processes are no
#: group: one that waited for the others would wait forever.
_STARTED_BY_TORCHRUN: Final = "TORCHELASTIC_RUN_ID"
#: The pid of the process that has started torchrun, in the environment of all that it starts.
_LAUNCHER: Final = "CITYSEG_LAUNCHER"
_PR_SET_PDEATHSIG: Final = 1


@dataclass(frozen=True, slots=True)
class Rank:
    """One process of a group; alone by default."""

    number: int = 0
    world: int = 1
    local: int = 0  # the number on its machine

    @classmethod
    def this(cls) -> Self:
        """That of this process."""
        if not is_started_by_torchrun():
            return cls()
        return cls(*(int(os.environ[name]) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK")))

    @property
    def is_first(self) -> bool:
        """Whether it is the one that writes the run's folder."""
        return self.number == 0

    @property
    def is_alone(self) -> bool:
        """Whether the group has no other process."""
        return self.world == 1


def is_started_by_torchrun() -> bool:
    """Whether torchrun has started this process."""
    return _STARTED_BY_TORCHRUN in os.environ


def processes_here() -> int:
    """How many processes of the group of this one are on its machine."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1")) if is_started_by_torchrun() else 1


def has_launcher() -> bool:
    """Whether a process of ours has started torchrun, and holds the run's lock."""
    return is_started_by_torchrun() and _LAUNCHER in os.environ


def torchrun_command(processes: int, module: str, *arguments: str) -> list[str]:
    """The command for `module` in some processes of this machine, killed with this process."""
    return [
        *(sys.executable, "-P", "-u", "-c", f"from {__name__} import run_torchrun as run; run()"),
        *("--standalone", "--local-addr", "127.0.0.1", "--nproc-per-node", str(processes)),
        *("-m", "--", module, *arguments),  # else it would take --run for one of its own
    ]


def torchrun_environment(cores: int) -> dict[str, str]:
    """What `torchrun_command` needs in its environment; each process uses `cores` threads."""
    return {
        _LAUNCHER: str(os.getpid()),
        "PYTHONSAFEPATH": "1",  # a module in the working directory does not take ours' place
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", str(max(1, cores))),
        # Without it, gloo looks up the name of the machine, which may lead to no interface.
        "GLOO_SOCKET_IFNAME": os.environ.get("GLOO_SOCKET_IFNAME", "lo"),
    }


def end_with_parent() -> None:
    """Have this process killed when the thread that started it ends."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def run_torchrun() -> None:
    """Be the torchrun of `torchrun_command`."""
    end_with_parent()
    if os.getppid() != int(os.environ[_LAUNCHER]):  # it ended before the call
        sys.exit(1)
    try:
        runpy.run_module("torch.distributed.run", run_name="__main__", alter_sys=True)
    except Exception as error:
        if type(error).__name__ != "ChildFailedError":  # of torch, which is not loaded here
            raise
        sys.exit(1)  # the process that failed has said why
