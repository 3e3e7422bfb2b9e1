"""A run on Weights & Biases: opened, fed and finished. For the follower's process alone.

All of it may block or raise; wandb is imported on the first call.
"""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from cityseg.config import TrainConfig
from cityseg.errors import CitysegError
from cityseg.jobs.tracking import Mode
from cityseg.labels import CLASS_NAMES, IGNORE
from cityseg.runs import (
    BOX,
    BOX_LICENCE,
    FollowedRun,
    MetricRow,
    RunDir,
    read_metadata,
    total_steps,
    train_command,
)
from cityseg.runs.panels import Panel
from cityseg.system import read_json, spawn

#: How long to try to reach the server before the run is kept offline: with a key and without
#: network, `wandb.init` would block for some 100 s.
INIT_TIMEOUT_SECONDS: Final = 10.0
#: How soon a row is in wandb's file, where it survives a kill of all processes.
FLUSH_SECONDS: Final = 0.5


def prepare_environment(run: FollowedRun) -> None:
    """Keep wandb inside the run's folder; variables that are set count."""
    # wandb's caches would go to the home folder, and its crash reports to its makers.
    cache = str(RunDir(run.constant_path).tracking / "cache")
    os.environ.setdefault("WANDB_CACHE_DIR", cache)
    os.environ.setdefault("WANDB_DATA_DIR", cache)
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    os.environ["WANDB_SILENT"] = "true"
    os.environ.pop("WANDB_SERVICE", None)  # another process's, which may end before this one


def open_run(
    run: FollowedRun, run_id: str, config: TrainConfig, mode: Mode, *, is_continued: bool
) -> tuple[Any, str | None]:
    """The run, and why it is not as wanted: offline if online fails, None if that fails too.

    `run_id` is what it is called there. A run that was tracked before `is_continued`; of any other,
    the server keeps this part alone.
    """
    problem = None
    for each in dict.fromkeys((mode, "offline")):
        try:
            return _init(run, run_id, config, each, is_continued=is_continued), problem
        except Exception as error:
            problem = sentence(error)
    return None, problem


def _init(
    run: FollowedRun, run_id: str, config: TrainConfig, mode: str, *, is_continued: bool
) -> Any:
    import wandb

    wandb.teardown()  # a first attempt that failed still holds the run's id
    settings: dict[str, Any] = {
        "mode": mode,
        "run_id": re.sub(r"[/\\#?%:]", "-", run_id),  # characters that wandb refuses in an id
        "run_name": config.title or run.id,
        "project": os.environ.get("WANDB_PROJECT") or config.wandb_project,
        # wandb's processes create files by their paths, also after the folder was renamed.
        "root_dir": str(run.constant_path),
        # Not for a first part: where its upload was cut off, `wandb sync` would append to what
        # has arrived, in place of writing over it.
        "resume": "allow" if is_continued else None,
        "init_timeout": INIT_TIMEOUT_SECONDS,
        "stop_fn": lambda: None,  # a click on the web page would interrupt the main thread
        "console": "off",
        "silent": True,
        "save_code": False,
        "disable_code": True,
        "disable_git": True,
        "label_disable": True,
        "host": "",
        "use_dot_wandb": False,
        "x_disable_meta": True,
        "x_disable_stats": True,
        "x_disable_machine_info": True,
        "x_save_requirements": False,
        "x_transaction_log_flush_interval": FLUSH_SECONDS,
    }
    # The x_ ones come and go between releases.
    known = {name: value for name, value in settings.items() if name in wandb.Settings.model_fields}
    values = config.model_dump(mode="json")
    opened = wandb.init(config=values, settings=wandb.Settings(**known))
    # wandb's own step counts calls; rows have one of their own, which charts shall use.
    opened.define_metric("*", step_metric="step")
    return opened


def log_row(opened: Any, row: MetricRow) -> None:
    """Log a row of metrics.jsonl; None, which stands for an undefined value, is left out."""
    if row["kind"] == "train":
        values = {"train_loss": row["loss"]}
    else:
        values = {name: value for name, value in row.items() if isinstance(value, float)}
        ious = row["class_iou"].items()
        values |= {f"class_iou/{name}": iou for name, iou in ious if iou is not None}
    opened.log({**values, "step": total_steps(row)})


def log_panels(opened: Any, panels: Sequence[Panel], step: int) -> None:
    """Log pictures with class-labelled masks of the truth and of the prediction."""
    import wandb

    labels = {**dict(enumerate(CLASS_NAMES)), IGNORE: "ignored"}
    images = [
        wandb.Image(
            panel.image,
            caption=panel.name,
            file_type="jpg",
            masks={
                "truth": {"mask_data": panel.truth, "class_labels": labels},
                "prediction": {"mask_data": panel.prediction, "class_labels": labels},
            },
        )
        for panel in panels
    ]
    opened.log({"predictions": images, "step": step})


def log_table(opened: Any, class_iou: Mapping[str, float | None]) -> None:
    """Log IoU by class as a table.

    It asks the server, and without network holds up everything behind it for 19 s: log it last.
    """
    import wandb

    table = wandb.Table(columns=["class", "iou"], data=list(class_iou.items()))
    opened.log({"class_iou_table": table})


def card_summary(run: FollowedRun, best: MetricRow | None) -> dict[str, float | str]:
    """What the card of the network says in a word each, for the summary of the run.

    Scores are those of `best`, the epoch whose weights are kept; W&B would show the last ones.
    """
    config, ious = run.config(), (best or {}).get("class_iou", {})
    facts = {
        **read_json(run.summary_file),
        **{f"class_iou/{name}": iou for name, iou in ious.items()},
        "model": config.model,
        "train_command": train_command(config),
        "licence": BOX_LICENCE if config.start_from == BOX else None,
    }
    with suppress(CitysegError):  # without an epoch there are no weights
        facts["weights_digest"] = read_metadata(run.best).get("digest")
    return {name: value for name, value in facts.items() if isinstance(value, int | float | str)}


def finish(opened: Any, summary: Mapping[str, float | str], *, has_failed: bool) -> None:
    """Close the run with this summary; returns once everything is uploaded."""
    import wandb

    opened.summary.update(dict(summary))
    opened.finish(exit_code=int(has_failed))
    wandb.teardown()


def upload(folders: Sequence[str], seconds: float, on_wait: Callable[[], None]) -> None:
    """Try for at most `seconds` to upload `folders`, which earlier sessions have kept.

    `not_uploaded` then returns what is left. `on_wait` is called each second.
    """
    command = [sys.executable, "-P", "-m", "wandb", "sync", "--include-online", *folders]
    process = spawn(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    end = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < end:
        on_wait()
        with suppress(subprocess.TimeoutExpired):
            process.wait(1)
    process.kill()
    process.wait()


def sentence(error: Exception) -> str:
    """The first line of an error."""
    return str(error).partition("\n")[0] or type(error).__name__
