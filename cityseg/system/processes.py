"""Processes of this machine: identified without doubt, signalled, found, started.

A pid alone identifies nothing: it is reused, it stays with a zombie, and after a reboot it belongs
to another process. Together with the boot id and the tick at which the process started it is
unique, and no clock is involved, which might be set.
"""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import IO, Annotated, Any, Final, Self

import psutil
from pydantic import Field, ValidationError

from cityseg.system.json_values import Count, FileModel

_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
_ROOT: Final = Path("/")
#: Of work in the background: a third of the weight of other programs, all of an idle machine.
_NICENESS: Final = 5
_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})

#: What Popen takes as a standard stream; None is that of this process.
Stream = int | IO[bytes] | None


class _Record(FileModel):
    """A Process in a file."""

    pid: Annotated[int, Field(ge=1, lt=1 << 31)]  # larger ones fit no call of the system
    boot_id: str
    start_ticks: Count
    hostname: str


@dataclass(frozen=True, slots=True)
class Process:
    """One process, of this or another machine, alive or not."""

    pid: int
    boot_id: str
    start_ticks: int
    hostname: str

    @classmethod
    def of(cls, pid: int) -> Self | None:
        """The process that has `pid` now; None if there is none, or only its zombie."""
        try:
            # After the name in brackets, which may contain anything, follow the fields from 3 on.
            fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].decode().split()
            state, start_ticks = fields[0], int(fields[19])
        except (OSError, ValueError, IndexError):
            return None
        if state in "ZX":
            return None
        return cls(pid, _BOOT_ID.read_text().strip(), start_ticks, socket.gethostname())

    @classmethod
    def this(cls) -> Self:
        """The calling process."""
        found = cls.of(os.getpid())
        assert found  # noqa: S101 - it is executing this line
        return found

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self | None:
        """The process that `to_json` gave these `values` for; None if they are not valid."""
        try:
            return cls(**_Record.model_validate(values).model_dump())
        except ValidationError:
            return None

    def to_json(self) -> dict[str, Any]:
        """The values that `from_json` reads."""
        return asdict(self)

    @property
    def is_elsewhere(self) -> bool:
        """Whether it belongs to another machine, so that nothing is known of it here."""
        return (
            self.hostname != socket.gethostname() and self.boot_id != _BOOT_ID.read_text().strip()
        )

    def is_alive(self) -> bool:
        """Whether it still runs on this machine."""
        now = Process.of(self.pid)
        return now is not None and (now.boot_id, now.start_ticks) == (
            self.boot_id,
            self.start_ticks,
        )

    def send(self, number: signal.Signals) -> None:
        """Signal it if it is alive; a process that got its pid later is never hit."""
        with suppress(ProcessLookupError, PermissionError):
            descriptor = os.pidfd_open(self.pid)
            try:
                # Checked after opening: from then on the descriptor cannot mean another process.
                if self.is_alive():
                    signal.pidfd_send_signal(descriptor, number)
            finally:
                os.close(descriptor)


def module_command(module: str, *arguments: str) -> list[str]:
    """The command that runs a module in an interpreter like this one.

    -P: a file of the module's name in the working directory is not imported in its place.
    -u: output is in the log at once, and is not lost when the process is killed.
    """
    return [sys.executable, "-P", "-u", "-m", module, *arguments]


def package_path() -> str:
    """The value of PYTHONPATH with which other processes can import this package."""
    search_path = (str(Path(__file__).resolve().parents[2]), os.environ.get("PYTHONPATH"))
    return os.pathsep.join(filter(None, search_path))


def spawn(
    command: Sequence[str],
    *,
    stdin: Stream = subprocess.DEVNULL,
    stdout: Stream = None,
    stderr: Stream = None,
    environment: Mapping[str, str] = _NOTHING,
    descriptors: Mapping[str, Sequence[int]] = _NOTHING,
    own_session: bool = True,
    unblock_signals: bool = False,
) -> "subprocess.Popen[bytes]":
    """Start `command`, such as a `module_command`, where it can import this package.

    It gets the environment of this process and `environment`. `descriptors` are open files that it
    inherits, such as locks, by the variables that tell it the numbers. In a session of its own
    it outlives the terminal and receives no Ctrl-C. It inherits blocked signals, unless
    `unblock_signals` is set, which is safe only in a process without threads.

    The caller has to wait for the process (`reap` does that in the background). Raises OSError.
    """
    numbers = {name: ",".join(map(str, each)) for name, each in descriptors.items()}
    return subprocess.Popen(  # noqa: S603 - no shell
        list(command),
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        env={**os.environ, "PYTHONPATH": package_path(), **environment, **numbers},
        pass_fds=tuple(chain.from_iterable(descriptors.values())),
        start_new_session=own_session,
        preexec_fn=_unblock_signals if unblock_signals else None,
    )


def yield_to_others() -> None:
    """Let programs that people wait for go first, when this process works in the background.

    To be called by the first process of a session, before it starts others: they inherit it.
    """
    os.setpriority(os.PRIO_PROCESS, 0, max(os.getpriority(os.PRIO_PROCESS, 0), _NICENESS))
    # By default Linux shares the cores out between sessions first, and niceness counts only among
    # the processes of one: the session has a niceness of its own.
    with suppress(OSError):
        Path("/proc/self/autogroup").write_text(str(_NICENESS))


def _unblock_signals() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def reap(process: "subprocess.Popen[bytes]") -> None:
    """Wait for `process` in the background, so that it leaves no zombie."""
    threading.Thread(target=process.wait, name="cityseg-reaper", daemon=True).start()


def descendants(pids: set[int]) -> set[int]:
    """The pids of all children, grandchildren and so on of `pids`."""
    found = set()
    for pid in pids:
        with suppress(psutil.NoSuchProcess):
            found |= {child.pid for child in psutil.Process(pid).children(recursive=True)}
    return found


def pids_with_variable(name: str, value: str) -> set[int]:
    """The pids of this user's processes that were started with the variable `name=value`."""
    found = set()
    for process in psutil.process_iter():
        with suppress(psutil.Error):  # it has ended, or belongs to another user
            if process.environ().get(name) == value:
                found.add(process.pid)
    return found


def oom_kills() -> int:
    """How often the kernel has killed for lack of memory: in this control group, if it counts."""
    files = []
    with suppress(OSError):
        for line in (_ROOT / "proc/self/cgroup").read_text().splitlines():
            _, controllers, group = line.split(":", 2)
            folder = _ROOT / "sys/fs/cgroup" / controllers / group.lstrip("/")
            if controllers in ("", "memory"):
                # Version 2 of control groups has no controllers here; version 1 has "memory".
                files.append(folder / ("memory.oom_control" if controllers else "memory.events"))
    for file in (*files, _ROOT / "proc/vmstat"):
        with suppress(OSError, ValueError):
            counters = dict(line.split() for line in file.read_text().splitlines())
            if "oom_kill" in counters:
                return int(counters["oom_kill"])
    return 0
