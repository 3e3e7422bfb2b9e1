"""RunFiles: the names of the files of a run. The folder is all there is of a run.

config.json                     the settings, a TrainConfig
about.json                      a name, a note and tags that people gave it; see `notes`
exclude.txt                     the names of frames that it leaves out, if any
review.jsonl                    verdicts of the review whose regions it ignores, if any
metrics.jsonl                   a row for each epoch, and training rows every few steps
run.log                         what the processes of the run logged
summary.json                    how the run ended: status, reason, hint, best scores
checkpoints/best.safetensors    the weights with the best mean IoU
checkpoints/epoch-NNN.safetensors   kept weights of an epoch
checkpoints/last.pt             the whole training state; previous.pt is the one before
scores-SPLIT.json               the result of `evaluate`; scores-SPLIT.npz has counts of each frame
seen.json                       a digest of each frame, and what changed between attempts
panels/epoch-NNN.png            predictions for a few fixed frames after each epoch; see `panels`
run.lock                        locked by the process that works on the run
job/supervisor.json             the process that waits for the device, and then for the trainer
job/trainer.json                the process that trains
job/progress.json               what the trainer does until there are metric rows
job/stop.json                   exists once a stop was requested
job/place.json                  the cluster that the run was submitted to, and the id of its job
job/slurm/                      the batch script of a job of Slurm, and what it wrote
job/reserve                     disk space for a summary.json on a full disk
job/resources.jsonl             what the training uses of the machine, a row every few seconds
job/notified.json               the notifications that were sent
job/notifier.lock               locked by the process that sends them
wandb/opened.json               how much of the run was sent to Weights & Biases
wandb/follower.lock             locked by the process that sends it there
"""

import os
from dataclasses import dataclass
from pathlib import Path

from cityseg.config import EXCLUDED, REVIEWED


@dataclass(frozen=True, slots=True)
class RunFiles:
    """The files of the run in the folder `path`, whose name is the run's id."""

    path: Path

    @property
    def id(self) -> str:
        """The name of the folder; `RunDir.check_name` says what it may be."""
        return Path(os.path.abspath(self.path)).name  # noqa: PTH100 - a link keeps its name

    @property
    def config_file(self) -> Path:
        """The settings of the run."""
        return self.path / "config.json"

    @property
    def about_file(self) -> Path:
        """What people say about the run."""
        return self.path / "about.json"

    @property
    def exclude_file(self) -> Path:
        """The names of frames that the run leaves out."""
        return self.path / EXCLUDED

    @property
    def review_file(self) -> Path:
        """Verdicts of the review: regions of training frames that the run ignores."""
        return self.path / REVIEWED

    @property
    def evidence(self) -> Path:
        """Folders of evidence of the run's network, see `evaluation.evidence_files`."""
        return self.path / "evidence"

    @property
    def metrics_file(self) -> Path:
        """The metric rows, a JSON object in each line."""
        return self.path / "metrics.jsonl"

    @property
    def log_file(self) -> Path:
        """The log of the run's processes."""
        return self.path / "run.log"

    @property
    def summary_file(self) -> Path:
        """How the run ended."""
        return self.path / "summary.json"

    @property
    def seen_file(self) -> Path:
        """A digest of each frame that the run has seen, and what changed between attempts."""
        return self.path / "seen.json"

    @property
    def lock_file(self) -> Path:
        """Locked by the process that works on the run."""
        return self.path / "run.lock"

    @property
    def job(self) -> Path:
        """The folder of the job's files."""
        return self.path / "job"

    @property
    def supervisor_file(self) -> Path:
        """The supervisor's process, the device it waits for, and the job's token."""
        return self.job / "supervisor.json"

    @property
    def trainer_file(self) -> Path:
        """The trainer's process, and the job's token."""
        return self.job / "trainer.json"

    @property
    def progress_file(self) -> Path:
        """What the trainer does, until there are metric rows."""
        return self.job / "progress.json"

    @property
    def stop_file(self) -> Path:
        """Exists once a stop was requested."""
        return self.job / "stop.json"

    @property
    def place_file(self) -> Path:
        """The cluster that the run was submitted to, and the id of its job there."""
        return self.job / "place.json"

    @property
    def reserve_file(self) -> Path:
        """Disk space for the summary on a full disk."""
        return self.job / "reserve"

    @property
    def resources_file(self) -> Path:
        """What the training uses of the machine, a JSON object in each line."""
        return self.job / "resources.jsonl"

    @property
    def notified_file(self) -> Path:
        """The notifications that were sent."""
        return self.job / "notified.json"

    @property
    def notifier_lock(self) -> Path:
        """Locked by the process that sends notifications."""
        return self.job / "notifier.lock"

    @property
    def tracking(self) -> Path:
        """The folder of Weights & Biases; a run that is not tracked has none."""
        return self.path / "wandb"

    @property
    def tracking_file(self) -> Path:
        """How much of the run was sent to Weights & Biases."""
        return self.tracking / "opened.json"

    @property
    def tracking_lock(self) -> Path:
        """Locked by the process that sends the run to Weights & Biases."""
        return self.tracking / "follower.lock"

    @property
    def checkpoints(self) -> Path:
        """The folder of checkpoints."""
        return self.path / "checkpoints"

    @property
    def best(self) -> Path:
        """The weights of the epoch with the best mean IoU."""
        return self.checkpoints / "best.safetensors"

    @property
    def last(self) -> Path:
        """The whole training state."""
        return self.checkpoints / "last.pt"

    @property
    def previous(self) -> Path:
        """The training state before the last."""
        return self.checkpoints / "previous.pt"

    def of_epoch(self, epoch: int) -> Path:
        """The kept weights of one epoch, counted from 1."""
        return self.checkpoints / f"epoch-{epoch:03d}.safetensors"

    @property
    def panels(self) -> Path:
        """The folder of predictions for a few frames."""
        return self.path / "panels"

    @property
    def panels_index(self) -> Path:
        """The names of those frames."""
        return self.panels / "frames.json"

    def panels_of_epoch(self, epoch: int) -> Path:
        """The predictions after one epoch, counted from 1."""
        return self.panels / f"epoch-{epoch:03d}.png"

    def scores_file(self, split: str) -> Path:
        """The scores of the best weights on `split`; an .npz beside it has each frame's counts."""
        return self.path / f"scores-{split}.json"
