"""The process in which wandb runs; `tracking` starts it and is the only one to talk to it.

Pickles come in on standard input: how to open the run, then messages (kind, *payload), the last of
kind "finish". JSON lines go out: one once the run is open, one once it is closed. If the input
ends before that, the trainer is gone, and the run is closed as failed.
"""

import json
import os
import pickle
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import IO, Any, Final

from cityseg.arrays import Uint8Array
from cityseg.labels import CLASS_NAMES, IGNORE

#: How long to try to reach the server before going on offline.
INIT_TIMEOUT_SECONDS: Final = 10.0
#: How long to go on uploading when the trainer is gone.
ORPHAN_TIMEOUT_SECONDS: Final = 60.0


def _main() -> None:
    commands, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "w")
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1):  # wandb's own process inherits these, and must not hold the pipes
        os.dup2(nothing, descriptor)
    opening = pickle.load(commands)  # noqa: S301 - our own parent wrote it
    run, problem = _open_run(opening)
    _send(replies, problem=problem, url=run and run.url, folder=run and run.settings.sync_dir)
    if run:
        _send(replies, problem=_serve(run, commands))


def _send(replies: IO[str], **reply: object) -> None:
    with suppress(BrokenPipeError):  # the trainer is gone; `_serve` sees the same
        print(json.dumps(reply), file=replies, flush=True)


def _open_run(opening: dict[str, Any]) -> tuple[Any, str | None]:
    """The run, and why it is not as wanted; offline if online fails, None if that fails too."""
    problem = None
    for mode in dict.fromkeys((opening["mode"], "offline")):
        try:
            return _init(**{**opening, "mode": mode}), problem
        except Exception as error:
            problem = _sentence(error)
    return None, problem


def _init(config: dict[str, Any], **opening: object) -> Any:
    import wandb

    wandb.teardown()  # a first attempt that failed still holds the run's id
    settings: dict[str, Any] = {
        **opening,
        "resume": "allow",
        "init_timeout": INIT_TIMEOUT_SECONDS,
        "stop_fn": lambda: None,
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
        # Should all be killed, at most a second's rows are lost, not a quarter minute's.
        "x_transaction_log_flush_interval": 1.0,
    }
    # The x_ ones come and go between releases.
    known = {name: value for name, value in settings.items() if name in wandb.Settings.model_fields}
    run = wandb.init(config=config, settings=wandb.Settings(**known))
    # wandb's own step only rises, while a resumed run repeats some: ours is a value like others.
    run.define_metric("*", step_metric="step")
    return run


def _serve(run: Any, commands: IO[bytes]) -> str | None:
    """Pass messages on until the last; the first problem, if there was any."""
    problem = None
    kind = ""
    while kind != "finish":
        try:
            kind, *payload = pickle.load(commands)  # noqa: S301 - our own parent wrote it
        except (EOFError, pickle.UnpicklingError):  # the trainer is gone
            kind, payload = "finish", [{}, [], 1]
            _exit_after(ORPHAN_TIMEOUT_SECONDS)
        try:
            _HANDLERS[kind](run, *payload)
        except Exception as error:
            problem = problem or f"{kind}: {_sentence(error)}"
    return problem


def _sentence(error: Exception) -> str:
    return str(error).partition("\n")[0] or type(error).__name__


def _exit_after(timeout_seconds: float) -> None:
    timer = threading.Timer(timeout_seconds, os._exit, (1,))
    timer.daemon = True
    timer.start()


def _log_row(run: Any, row: dict[str, float], step: int) -> None:
    run.log({**row, "step": step})


def _log_predictions(
    run: Any, panels: list[tuple[str, Uint8Array, Uint8Array, Uint8Array]], step: int
) -> None:
    import wandb

    labels = {**dict(enumerate(CLASS_NAMES)), IGNORE: "ignored"}
    images = [
        wandb.Image(
            image,
            caption=name,
            file_type="jpg",
            masks={
                "truth": {"mask_data": truth, "class_labels": labels},
                "prediction": {"mask_data": prediction, "class_labels": labels},
            },
        )
        for name, image, truth, prediction in panels
    ]
    run.log({"predictions": images, "step": step})


def _finish(
    run: Any, summary: dict[str, float], table: list[tuple[str, float | None]], exit_code: int
) -> None:
    import wandb

    run.summary.update(summary)
    try:
        if table:
            run.log({"class_iou_table": wandb.Table(columns=["class", "iou"], data=table)})
    finally:
        run.finish(exit_code=exit_code)
        wandb.teardown()


_HANDLERS: Final[dict[str, Callable[..., None]]] = {
    "fine row": _log_row,
    "row": _log_row,
    "predictions": _log_predictions,
    "finish": _finish,
}

if __name__ == "__main__":
    _main()
