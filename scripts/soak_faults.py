"""The faults of a soak, and the proof that nothing is lost by them."""

import asyncio
import shutil
import signal
import subprocess
import sys
from typing import Any, Final

import psutil
from soak_record import Sample
from soak_visitors import Visit
from soak_world import ROOT, Server, World, limit_files, processes_of, training_config

from cityseg import jobs
from cityseg.data import Report, find_frames
from cityseg.errors import CitysegError
from cityseg.review import ledger_file, read_ledger
from cityseg.runs import RunDir

#: The share of the time before the training begins, for figures without one.
_QUIET: Final = 0.25
#: When the server is killed: after the figures without a training, and such that of ten minutes
#: six are left to watch its memory.
_SERVER_KILLS: Final = (0.27, 0.35)
_PAUSE_SECONDS: Final = (6.0, 14.0)
_FULL_SECONDS: Final = 8.0
#: Of a metric row, what a clock decides.
_TIMING: Final = ("seconds", "frames_per_second")
#: What a person may see while the server is away.
_AWAY: Final = ("connection", "console", "status", "timeout", "alert", "exception")


class Faults:
    """A training, conversions and faults at random, on one world and its server."""

    def __init__(self, world: World, server: Server, visit: Visit, seconds: float) -> None:
        """Spread over so many seconds."""
        self._world, self._server, self._visit, self._seconds = world, server, visit, seconds
        self._record = visit.record
        self._run: RunDir | None = None
        self._rows: dict[int, dict[str, Any]] = {}
        self._converting: subprocess.Popen[bytes] | None = None

    async def _sleep(self, seconds: float) -> bool:
        """Wait; whether the soak continues."""
        try:
            await asyncio.wait_for(self._visit.ends.wait(), seconds)
        except TimeoutError:
            return True
        return False

    async def watch(self) -> None:
        """Look at the server's process each second."""
        while await self._sleep(1):
            try:
                server = psutil.Process(self._server.pid)
                rss, fds = server.memory_info().rss / 2**20, server.num_fds()
                now, threads = self._record.now(), server.num_threads()
            except psutil.NoSuchProcess:
                continue
            self._record.samples.append(Sample(now, server.pid, round(rss, 1), fds, threads))

    async def train(self) -> None:
        """Start a training after a quiet time, and resume it whenever it has ended."""
        if not await self._sleep(self._seconds * _QUIET):
            return
        config = training_config(self._world)
        self._run = await asyncio.to_thread(jobs.start, config, self._world.runs)
        self._record.trained_since = self._record.now()
        while await self._sleep(2):
            self._check_rows(self._run)
            if jobs.state(self._run).can_resume:
                try:
                    await asyncio.to_thread(jobs.resume, self._run)
                except CitysegError as error:  # the disk is full, or it has never saved
                    self._record.saw("alert", f"resume: {error}")

    async def convert(self) -> None:
        """Convert the frames again and again, to masks of its own."""
        masks = self._world.folder / "masks-elsewhere"
        command = [sys.executable, "-m", "cityseg", "convert", str(self._world.data)]
        while await self._sleep(5):
            since = self._record.now()
            with self._record.timed("a conversion by the command line"):
                self._converting = subprocess.Popen(
                    [*command, "--out", str(masks)],
                    cwd=ROOT,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                )
                _, said = await asyncio.to_thread(self._converting.communicate)
            if self._converting.returncode:
                self._record.saw("alert", f"convert: {said.decode()[-300:]}", since)

    async def cause(self) -> None:
        """Cause faults, each of them again and again, in an order that the seed decides."""
        server_kills = [share * self._seconds for share in _SERVER_KILLS]
        faults = [self._kill_trainer, self._kill_supervisor, self._fill_disk, self._remove_run]
        bag: list[Any] = []
        while await self._sleep(self._visit.random.uniform(*_PAUSE_SECONDS)):
            if server_kills and self._record.now() >= server_kills[0]:
                server_kills.pop(0)
                await self._kill_server()
                continue
            bag = bag or self._visit.random.sample(faults, len(faults))
            await bag.pop()()

    async def _kill_server(self) -> None:
        with self._record.fault("the server killed", *_AWAY):
            await asyncio.to_thread(self._server.kill)
            await asyncio.to_thread(self._server.start)
            self._visit.galleries.clear()

    async def _kill_trainer(self) -> None:
        await self._kill("trainer")

    async def _kill_supervisor(self) -> None:
        await self._kill("supervisor")

    async def _kill(self, name: str) -> None:
        process = processes_of(self._run).get(name) if self._run else None
        if process:
            words = ("signal", "process", "resume", "state")
            with self._record.fault(f"the {name} killed", "alert", words=words):
                process.send(signal.SIGKILL)
                await self._sleep(2)

    async def _fill_disk(self) -> None:
        running = processes_of(self._run) if self._run else {}
        pids = [self._server.pid, *(each.pid for each in running.values())]
        if self._converting and self._converting.poll() is None:
            pids.append(self._converting.pid)
        # A verdict is refused with 503 then; Review says so and sends it again.
        words = ("space", "written", "kept", "disk", "File too large", "503 (Service")
        with self._record.fault("a full disk", "alert", "console", words=words):
            limit_files(pids, 4096)
            await self._sleep(_FULL_SECONDS)
            limit_files(pids, -1)

    async def _remove_run(self) -> None:
        if runs := self._world.removable:
            others = [run for run in runs if run != self._run]
            words = ("There is no", "is no", "cannot be read")
            with self._record.fault("a run removed", "alert", words=words):
                shutil.rmtree(self._visit.random.choice(others).path)
                await self._sleep(2)

    def _check_rows(self, run: RunDir) -> None:
        """Keep the rows of finished epochs: all but the newest stay for ever, as they are.

        A state is saved after each epoch; a kill may cost the newest, which is trained again.
        """
        found = {
            row["epoch"]: {k: v for k, v in row.items() if k not in _TIMING}
            for row in run.metrics()
            if row["kind"] == "epoch"
        }
        known = sorted(self._rows)
        for epoch in known[:-1]:
            if epoch in found and found[epoch] != self._rows[epoch]:
                self._record.losses.append(f"the row of epoch {epoch} has changed")
            elif epoch not in found:
                self._record.losses.append(f"the row of epoch {epoch} is lost")
        self._rows |= found

    def end(self) -> None:
        """Stop everything that was started, and look for what was lost."""
        if self._converting:
            self._converting.wait()
        if self._run:
            jobs.stop(self._run)
            self._check_rows(self._run)
        self._server.stop()
        self._check_weights()
        self._check_masks()
        self._check_verdicts()

    def _check_weights(self) -> None:
        from cityseg.runs.checkpoints import load_state, load_weights

        trained = self._run if len(self._rows) > 1 else None  # one epoch may be cut short
        for run in filter(None, (self._world.trained, trained)):
            try:
                load_weights(run.best)
                load_state(run)
            except CitysegError as error:
                self._record.losses.append(f"the weights of {run.id}: {error}")

    def _check_verdicts(self) -> None:
        ledger = read_ledger(ledger_file(self._world.data, self._world.runs))
        kept = {f"{frame}@{','.join(map(str, region.box))}" for frame, region in ledger.verdicts()}
        lost = sorted(self._visit.judged - kept)
        self._record.losses += [f"the verdict on {region} is lost" for region in lost]

    def _check_masks(self) -> None:
        report = Report.load(self._world.data / "masks")
        missing = [
            frame.name
            for frame in find_frames(self._world.data)
            if not frame.mask(self._world.data / "masks").is_file()
        ]
        if missing or not (report and report.outcomes):
            self._record.losses.append(f"masks: {len(missing)} are missing")
