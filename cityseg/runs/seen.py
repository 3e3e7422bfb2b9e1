"""What a run has seen: a digest of each frame, by which a resumed training notices what changed.

A resumed run ends exactly as one that was never stopped, as long as it sees the same frames with
the same masks on the same kind of device. Where it does not, a sentence in RUN/seen.json says so.
"""

from collections.abc import Mapping, Sequence

from pydantic import Field

from cityseg.config import TrainConfig
from cityseg.runs.folder import RunDir
from cityseg.system import LARGE, FileModel, read_or_none, write_json

_INEXACT = "so the run does not end exactly as one without that"


class Seen(FileModel, frozen=False):
    """The content of seen.json, as of the newest attempt."""

    frames: dict[str, str]  # a digest of image and mask by <split>/<city>/<stem>
    device: str  # the type: cpu or cuda
    epochs: int
    #: Sentences on what has changed between attempts.
    changes: list[str] = Field(default_factory=list)
    #: How many rows of each frame store, by its name, had been rebuilt; None: not recorded.
    rebuilt: dict[str, int] | None = None


def read_seen(run: RunDir) -> Seen | None:
    """What `run` has seen; None if that was not recorded, or the record is damaged."""
    return read_or_none(run.seen_file, Seen, LARGE)


def record_seen(
    run: RunDir,
    config: TrainConfig,
    frames: Mapping[str, str],
    device: str,
    epoch: int | None,
    rebuilt: Mapping[str, Sequence[str]],
) -> Sequence[str]:
    """Record what `run` sees from now on; returns a sentence for each change since its last state.

    `epoch` is the one in which a state was restored, None if training begins. `rebuilt` has the
    frames that were ever rebuilt in each frame store, by its name. Raises OSError.
    """
    before = read_seen(run)
    counts = {name: len(frames) for name, frames in rebuilt.items()}
    seen = Seen(frames=dict(frames), device=device, epochs=config.epochs, rebuilt=counts)
    new = [] if epoch is None else _changes(before, seen, config, epoch)
    if epoch is not None and before:
        new += _rebuilt_since(before.rebuilt, rebuilt, epoch)
        seen.changes = before.changes
    seen.changes = [*seen.changes, *new]
    if seen != before:
        write_json(run.seen_file, seen.model_dump(mode="json"))
    return new


def record_rebuilt(run: RunDir, rebuilt: Mapping[str, Sequence[str]], epoch: int) -> Sequence[str]:
    """Record rows that were rebuilt since the last record; returns a sentence if there are any.

    `rebuilt` is as for `record_seen`, `epoch` the present one. Raises OSError.
    """
    seen = read_seen(run)
    new = _rebuilt_since(seen.rebuilt, rebuilt, epoch) if seen else []
    if seen and new:
        seen.changes = [*seen.changes, *new]
        seen.rebuilt = {name: len(frames) for name, frames in rebuilt.items()}
        write_json(run.seen_file, seen.model_dump(mode="json"))
    return new


def _rebuilt_since(
    before: Mapping[str, int] | None, now: Mapping[str, Sequence[str]], epoch: int
) -> list[str]:
    """A sentence on the rows that were rebuilt, if there are any, in the stores known before."""
    known = dict.fromkeys(now, 0) if before is None else before
    frames = [frame for name in now.keys() & known.keys() for frame in now[name][known[name] :]]
    if not frames:
        return []
    return [
        f"By epoch {epoch}, damaged rows of its frame stores were found and rebuilt: {len(frames)} "
        f"({min(frames)}), which earlier steps may have seen, {_INEXACT}"
    ]


def _changes(before: Seen | None, now: Seen, config: TrainConfig, epoch: int) -> list[str]:
    start = f"From epoch {epoch} on"
    if before is None:
        return [
            f"The frames before epoch {epoch} were not recorded, so it cannot be checked whether "
            "they are still the same, and whether the run ends exactly as one that never stopped"
        ]
    changes = []
    if differing := _differences(before.frames, now.frames):
        changes.append(f"{start}, its frames or masks differ: {differing}, {_INEXACT}")
    if before.device != now.device:
        changes.append(
            f"{start}, it is trained on {now.device} instead of {before.device}, {_INEXACT}"
        )
    if before.epochs != now.epochs and config.schedule != "constant":
        changes.append(
            f"{start}, its {config.schedule} schedule is that of {now.epochs} epochs instead of "
            f"{before.epochs}, {_INEXACT}"
        )
    return changes


def _differences(before: Mapping[str, str], now: Mapping[str, str]) -> str:
    """How two sets of frames differ, with an example of each way; empty if they do not."""
    groups = {
        "changed": [name for name in before if now.get(name, before[name]) != before[name]],
        "gone": [name for name in before if name not in now],
        "new": [name for name in now if name not in before],
    }
    parts = [f"{len(names)} {what} ({names[0]})" for what, names in groups.items() if names]
    return ", ".join(parts)
