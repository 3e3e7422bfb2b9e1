"""A Slurm of one node on this machine, with its own munge: nothing of it is left at the end."""

import getpass
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from waiting import until

_DAEMONS = ("munged", "slurmctld", "slurmd")
#: Two CPUs are configured whether or not there are two. A job of the partition `urgent` takes the
#: place of one of `normal`, which is queued again. A requeued job may begin after `cred_expire`.
_CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
SlurmdParameters=config_overrides
MailProg=/bin/true
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
ReturnToService=2
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,sched_min_interval=100000,bf_interval=1,batch_sched_delay=0
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
JobRequeue=1
KillWait=5
NodeName={host} NodeAddr=127.0.0.1 CPUs=1 RealMemory=100 State=UNKNOWN
PartitionName=normal Nodes=ALL Default=YES PriorityTier=1 GraceTime={grace} State=UP
PartitionName=urgent Nodes=ALL PriorityTier=2 PreemptMode=OFF State=UP
"""


def missing() -> str:
    """A sentence if Slurm cannot run here; else empty."""
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    absent = [name for name in (*_DAEMONS, "sbatch", "srun") if not shutil.which(name, path=path)]
    return f"Slurm is not installed here: there is no {', '.join(absent)}." if absent else ""


_sessions = ExitStack()
_variables: dict[str, str] = {}


def of_session(request: pytest.FixtureRequest) -> Mapping[str, str]:
    """The variables of one cluster for all tests of the session, which is started if need be."""
    if not _variables:
        folder = Path(tempfile.mkdtemp(prefix="slurm-"))
        _sessions.callback(shutil.rmtree, folder)
        _variables.update(_sessions.enter_context(slurm(folder)))
        request.session.addfinalizer(_sessions.close)
    return _variables


@contextmanager
def slurm(folder: Path) -> Iterator[Mapping[str, str]]:
    """Run the daemons for a block; gives the variables with which commands find the cluster."""
    host = socket.gethostname().partition(".")[0]
    for name in ("state", "spool"):
        (folder / name).mkdir(parents=True)
    (folder / "munge.key").write_bytes(secrets.token_bytes(1024))
    (folder / "munge.key").chmod(0o600)
    configuration = folder / "slurm.conf"
    ports = dict(zip(("controller_port", "node_port"), free_ports(2), strict=True))
    configuration.write_text(
        _CONFIGURATION.format(host=host, user=getpass.getuser(), folder=folder, grace=60, **ports)
    )
    environment = {"SLURM_CONF": str(configuration)}
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    # The variables of a test would make the daemons look like processes of its jobs.
    own = {k: v for k, v in os.environ.items() if not k.startswith("CITYSEG_")}
    own |= environment | {"PATH": path}
    munge = [
        f"--{name}={folder / file}"
        for name, file in (
            ("socket", "munge.socket"),
            ("key-file", "munge.key"),
            ("log-file", "munge.log"),
            ("pid-file", "munge.pid"),
            ("seed-file", "munge.seed"),
        )
    ]
    commands = (
        ["munged", "--foreground", "--force", *munge],
        ["slurmctld", "-D", "-i", "-f", str(configuration)],
        ["slurmd", "-D", "-f", str(configuration)],
    )
    started: list[subprocess.Popen[bytes]] = []
    try:
        with (folder / "daemons.log").open("wb") as log:
            for command in commands:
                started.append(subprocess.Popen(command, env=own, stdout=log, stderr=log))
                if command[0] == "munged":
                    until((folder / "munge.socket").exists)
        until(lambda: _is_idle(own), f"Slurm does not start: see the logs in {folder}")
        yield environment
    finally:
        for process in reversed(started):
            process.terminate()
            process.wait()


def _is_idle(environment: Mapping[str, str]) -> bool:
    command = ["sinfo", "--noheader", "--format=%t"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    return "idle" in done.stdout


def submit_urgent(seconds: int) -> None:
    """Submit a job that takes the place of all others."""
    command = ["sbatch", "--partition=urgent", "--output=/dev/null", f"--wrap=sleep {seconds}"]
    subprocess.run(command, check=True, capture_output=True)


def free_ports(count: int) -> list[int]:
    """Ports of the loopback address on which nothing listens."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports
