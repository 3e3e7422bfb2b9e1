"""Slurm: jobs are submitted by submitit, and looked at by squeue and sacct.

submitit writes the batch script and the pickled command, and queues a job again before its time
limit ends it; see `slurm_task`. It is imported only to submit.
"""

import importlib.util
import os
import shlex
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from cityseg.errors import PlaceError
from cityseg.places.engine import Report, Stage, Work
from cityseg.places.settings import SlurmSettings
from cityseg.system import package_path

#: How long a command of Slurm may take: a controller that is busy answers late.
_SECONDS: Final = 60.0
_OUTPUT_BYTES: Final = 1 << 16
#: Options of squeue for one line for each job, also of those of an array that wait.
_LISTING: Final = ("--array", "--format=%i|%T|%r|%P")

#: The states of a job -> what they mean here. From squeue(1) and sacct(1) of Slurm 22 to 25.
_STAGES: Final[Mapping[str, Stage]] = {
    **dict.fromkeys(
        (
            "CONFIGURING",  # its nodes boot
            "EXPEDITING",
            "PENDING",
            "REQUEUED",
            "REQUEUE_FED",
            "REQUEUE_HOLD",
            "RESV_DEL_HOLD",
            "SPECIAL_EXIT",  # requeued by an administrator's script, and held
        ),
        "waiting",
    ),
    **dict.fromkeys(
        (
            "COMPLETING",  # its processes end
            "RESIZING",
            "RUNNING",
            "SIGNALING",
            "STAGE_OUT",
            "STOPPED",
            "SUSPENDED",
        ),
        "running",
    ),
}
#: The states of a job that has ended otherwise than by itself -> a code, and how it ended.
_ENDS: Final[Mapping[str, tuple[str, str]]] = {
    "BOOT_FAIL": ("node_failed", "Its node could not be started"),
    "CANCELLED": ("cancelled", "It was cancelled"),
    "DEADLINE": ("time_limit", "Its deadline has passed"),
    "FAILED": ("error", "It failed"),
    "LAUNCH_FAILED": ("node_failed", "It could not be started on its node"),
    "NODE_FAIL": ("node_failed", "Its node has failed"),
    "OUT_OF_MEMORY": ("out_of_memory", "It needed more memory than it was given"),
    "PREEMPTED": ("preempted", "It had to make way for another job"),
    "RECONFIG_FAIL": ("node_failed", "Its node could not be configured"),
    "REVOKED": ("cancelled", "It runs on another cluster of the federation"),
    "TIMEOUT": ("time_limit", "Its time limit has passed"),
}


@dataclass(frozen=True, eq=False)
class SlurmEngine:
    """A Slurm cluster whose commands work on this machine."""

    settings: SlurmSettings
    name: str = "slurm"
    has_arrays: bool = True

    def check(self) -> None:
        """Raise PlaceError if submitit or a command of Slurm is missing, or nobody answers."""
        if not importlib.util.find_spec("submitit"):
            raise PlaceError(
                "The package submitit is not installed: run `pip install cityseg[slurm]`"
            )
        for command in ("sbatch", "srun", "squeue", "scancel"):
            if not shutil.which(command):
                raise PlaceError(
                    f"There is no command {command} here: run this where Slurm is installed, such "
                    "as a login node of the cluster"
                )
        self.reports()

    def submit(self, work: Work) -> str:
        """Queue a command; returns the number of its job."""
        return next(self.submit_array(work.name, [work], 1))

    def submit_array(self, name: str, works: Sequence[Work], at_once: int) -> Iterator[str]:
        """Queue commands as one array, whose files lie in the folder of the first; gives the ids.

        They are like "7_0" and "7_1"; that of a single command is like "7".
        """
        import submitit

        from cityseg.places.slurm_task import SlurmTask

        folder = works[0].folder / self.name
        parameters = sbatch_parameters(self.settings, replace(works[0], name=name))
        try:
            executor = submitit.SlurmExecutor(folder, max_num_timeout=self.settings.requeues)
            executor.update_parameters(**parameters, array_parallelism=at_once)
            with executor.batch():
                jobs = [executor.submit(SlurmTask(work.command)) for work in works]
            return iter([str(job.job_id) for job in jobs])
        except RuntimeError as error:  # of submitit, with what sbatch wrote
            raise PlaceError(
                f"Slurm refuses the job ({_sentence(str(error))}): check the section [slurm] of "
                "places.toml"
            ) from error
        except OSError as error:
            raise PlaceError(
                f"{folder} cannot be written ({error.strerror}): check permissions and free space"
            ) from error

    def reports(self) -> Mapping[str, Report]:
        """This user's jobs that squeue lists: those that wait and run, and that ended just now."""
        own = f"--user={os.getuid()}"
        lines = _asked("squeue", "--noheader", "--states=all", *_LISTING, own)
        fields = [line.split("|") for line in lines.splitlines() if line.count("|") == 3]
        found = {job: slurm_report(word, why) for job, word, why, _ in fields}
        partitions = {where for job, _, _, where in fields if found[job].stage == "waiting"}
        if partitions:
            for position, job in enumerate(_waiting(partitions), 1):
                if job in found:
                    found[job] = replace(found[job], position=position)
        return found

    def past(self, job: str) -> Report | None:
        """How a job ended, by the accounts of Slurm; None if it keeps none."""
        options = ("--noheader", "--parsable2", "--allocations", "--format=State")
        try:
            lines = _asked("sacct", *options, f"--jobs={job}").split("\n")
        except PlaceError:  # many clusters have no accounts
            return None
        return slurm_report(lines[-1]) if lines[-1] else None

    def cancel(self, *jobs: str) -> None:
        """Cancel jobs: their processes get SIGTERM, and SIGKILL after the cluster's KillWait."""
        try:
            _asked("scancel", *jobs)
        except PlaceError:  # as for a job that is ending
            known = self.reports()
            found = [known[job] for job in jobs if job in known]
            if any(each.stage != "ended" and each.word != "COMPLETING" for each in found):
                raise

    def output(self, job: str, folder: Path) -> str:
        """The end of what the job wrote before its command had a log of its own."""
        log = folder / self.name / f"{job}_0_log.out"
        try:
            with log.open("rb") as file:
                file.seek(max(log.stat().st_size - _OUTPUT_BYTES, 0))
                return file.read(_OUTPUT_BYTES).decode(errors="replace")
        except OSError:
            return ""


def slurm_report(word: str, why: str = "") -> Report:
    """The report on a job in the state `word` of squeue or sacct, such as "CANCELLED by 1000".

    `why` is squeue's reason for it, such as "Priority".
    """
    state = word.strip().partition(" ")[0].rstrip("+").upper()
    about = "" if why in ("", "None") else why
    if stage := _STAGES.get(state):
        is_plain = state in ("PENDING", "RUNNING", "COMPLETING")
        named = "" if is_plain else state.lower().replace("_", " ")
        return Report(stage, state, ", ".join(filter(None, (named, about))))
    if state == "COMPLETED":
        return Report("ended", state)
    reason, detail = _ENDS.get(state, ("error", f"It has ended as {state}"))
    # For an end, the reason of squeue is a code such as NonZeroExitCode.
    return Report("ended", state, f"{detail} ({about})" if about else detail, reason)


def sbatch_parameters(settings: SlurmSettings, work: Work) -> dict[str, Any]:
    """The parameters of submitit for a job: its names for options of sbatch."""
    memory = f"{settings.memory_gb}GB" if settings.memory_gb else ""
    wanted: dict[str, Any] = {
        "partition": settings.partition,
        "account": settings.account,
        "qos": settings.qos,
        "constraint": settings.constraint,
        "gpus_per_node": settings.gpus * work.devices,
        "cpus_per_task": settings.cpus * max(work.devices, 1),
        "mem": memory,
    }
    return {
        "job_name": work.name,
        "time": max(round(settings.hours * 60), 1),
        "signal_delay_s": settings.signal_seconds,
        "stderr_to_stdout": True,
        "setup": [f"export PYTHONPATH={shlex.quote(package_path())}"],
        "additional_parameters": {"requeue": True, **settings.sbatch},
        **{option: value for option, value in wanted.items() if value},
    }


def _waiting(partitions: Iterable[str]) -> list[str]:
    """The jobs of all users that wait in `partitions`, the next one first."""
    where = f"--partition={','.join(sorted(partitions))}"
    options = ("--noheader", "--array", "--states=PENDING", "--sort=-p,i", "--format=%i", where)
    return _asked("squeue", *options).split()


def _asked(*command: str) -> str:
    """The output of a command of Slurm; raises PlaceError."""
    try:
        done = subprocess.run(  # noqa: S603 - no shell
            command, capture_output=True, text=True, errors="replace", timeout=_SECONDS, check=False
        )
    except OSError as error:
        raise PlaceError(
            f"The command {command[0]} cannot be run ({error.strerror}): do this where Slurm is "
            "installed, such as a login node of the cluster"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise PlaceError(
            f"Slurm does not answer ({command[0]} took longer than {_SECONDS:.0f} s): try later"
        ) from error
    if done.returncode:
        raise PlaceError(
            f"Slurm answers {command[0]} with an error ({_sentence(done.stderr)}): check that the "
            "cluster is up"
        )
    return done.stdout.strip()


def _sentence(output: str) -> str:
    """The end of what a command of Slurm wrote, on one line."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return (
        (lines[-1].partition(": error: ")[2] or lines[-1])[:300] if lines else "it gave no reason"
    )
