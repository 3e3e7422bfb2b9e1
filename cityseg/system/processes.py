"""Processes of this machine, told apart for certain.

A pid alone says little: it is reused, it stays with a zombie, and after a reboot it is another's.
With the boot's id and the tick at which the process started, it names one process for ever, and no
clock is asked.
"""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any, Final, Self

_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
_ROOT: Final = Path("/")
_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})

#: What Popen takes as a standard stream; None is that of this process.
Stream = int | IO[bytes] | None


@dataclass(frozen=True, slots=True)
class Process:
    """One process, here or on another machine, alive or not."""

    pid: int
    boot_id: str
    start_ticks: int
    hostname: str

    @classmethod
    def of(cls, pid: int) -> Self | None:
        """The process that has `pid` now; None if there is none, or only its zombie."""
        try:
            fields = _stat(pid)
        except (OSError, ValueError, IndexError):
            return None
        if fields[0] in "ZX":
            return None
        return cls(pid, _BOOT_ID.read_text().strip(), int(fields[19]), socket.gethostname())

    @classmethod
    def this(cls) -> Self:
        """The process that asks."""
        found = cls.of(os.getpid())
        assert found  # noqa: S101 - it is running this
        return found

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self | None:
        """The process that `values` describe; None if they do not."""
        pid, ticks = values.get("pid"), values.get("start_ticks")
        if not isinstance(pid, int) or not isinstance(ticks, int) or pid <= 0:
            return None
        return cls(pid, str(values.get("boot_id")), ticks, str(values.get("hostname")))

    def to_json(self) -> dict[str, Any]:
        """What `from_json` reads."""
        return asdict(self)

    @property
    def is_elsewhere(self) -> bool:
        """Whether it was started on another machine, where nothing can be asked from here."""
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
        """Signal it if it lives; another process that got its pid is never hit."""
        with suppress(ProcessLookupError, PermissionError):
            descriptor = os.pidfd_open(self.pid)
            try:
                if self.is_alive():  # asked after opening: now the descriptor can be no other's
                    signal.pidfd_send_signal(descriptor, number)
            finally:
                os.close(descriptor)


def environment_of_ours() -> dict[str, str]:
    """This process's variables for a child that imports the package where this one found it."""
    search_path = (str(Path(__file__).resolve().parents[2]), os.environ.get("PYTHONPATH"))
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, search_path))}


def module_command(module: str, *arguments: str) -> list[str]:
    """The command that runs one of our modules in an interpreter like this one.

    -P: a file in the working directory that is called like a module is not imported in its place.
    -u: what is printed is in the log at once, and stays there if the process is killed.
    """
    return [sys.executable, "-P", "-u", "-m", module, *arguments]


def spawn(
    command: Sequence[str],
    *,
    stdin: Stream = subprocess.DEVNULL,
    stdout: Stream = None,
    stderr: Stream = None,
    environment: Mapping[str, str] = _NOTHING,
    descriptors: Mapping[str, int] = _NOTHING,
    own_session: bool = True,
    unblock_signals: bool = False,
) -> "subprocess.Popen[bytes]":
    """Start `command`, such as a `module_command`, in this process's environment.

    It finds this package where this process found it. `environment` is added to its variables.
    `descriptors` are open files to hand on, such as locks: each by the variable that names it to
    the new process. In a session of its own it survives the terminal and hears no Ctrl-C. Blocked
    signals are inherited, unless `unblock_signals` is set; that is for processes without threads.

    Whoever starts a process waits for it (`reap` does so in the background). Raises OSError.
    """
    numbers = {name: str(descriptor) for name, descriptor in descriptors.items()}
    return subprocess.Popen(  # noqa: S603 - no shell
        list(command),
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        env={**environment_of_ours(), **environment, **numbers},
        pass_fds=tuple(descriptors.values()),
        start_new_session=own_session,
        preexec_fn=_unblock_signals if unblock_signals else None,
    )


def _unblock_signals() -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def reap(process: "subprocess.Popen[bytes]") -> None:
    """Wait for `process` in the background: it would stay as a zombie once it has ended."""
    threading.Thread(target=process.wait, name="cityseg-reaper", daemon=True).start()


def descendants(parents: set[int]) -> set[int]:
    """The pids of all children, and theirs, of `parents`."""
    children: dict[int, list[int]] = {}
    for pid in _pids():
        with suppress(OSError, ValueError, IndexError):
            children.setdefault(int(_stat(pid)[1]), []).append(pid)
    found: set[int] = set()
    pending = list(parents)
    while pending:
        fresh = set(children.get(pending.pop(), ())) - found
        found |= fresh
        pending += fresh
    return found


def with_variable(name: str, value: str) -> set[int]:
    """The pids of this user's processes that were started with the variable `name=value`."""
    entry = f"{name}={value}".encode()
    found = set()
    for pid in _pids():
        with suppress(OSError):
            if entry in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
                found.add(pid)
    return found


def oom_kills() -> int:
    """How often the kernel has killed for want of memory, in this control group if it counts."""
    files = []
    with suppress(OSError):
        for line in (_ROOT / "proc/self/cgroup").read_text().splitlines():
            _, controllers, group = line.split(":", 2)
            folder = _ROOT / "sys/fs/cgroup" / controllers / group.lstrip("/")
            if controllers in ("", "memory"):
                files.append(folder / ("memory.oom_control" if controllers else "memory.events"))
    for file in (*files, _ROOT / "proc/vmstat"):
        with suppress(OSError, ValueError):
            counters = dict(line.split() for line in file.read_text().splitlines())
            if "oom_kill" in counters:
                return int(counters["oom_kill"])
    return 0


def _pids() -> Iterator[int]:
    return (int(name) for name in os.listdir("/proc") if name.isdecimal())


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the state on: the name before may hold anything."""
    content = Path(f"/proc/{pid}/stat").read_bytes()
    return content.rpartition(b")")[2].decode().split()
