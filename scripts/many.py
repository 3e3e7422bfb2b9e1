"""Large folders made in seconds: frames that are links to a few pictures, and runs that ended."""

import json
from pathlib import Path

from cityseg.config import make_config
from cityseg.data import convert, find_frames
from cityseg.labels import CLASS_NAMES
from cityseg.review import AUDIT, Finding, findings_folder, write_findings
from cityseg.runs import RunDir
from cityseg.sample import make_sample
from cityseg.system import write_json

#: Frames that are drawn; the others are links to them.
_DRAWN = 6
_CITIES = 7
#: Steps of an epoch in the rows of a run, and training rows of one.
_STEPS, _ROWS_PER_EPOCH = 200, 20


def make_frames(folder: Path, count: int, size_hw: tuple[int, int]) -> Path:
    """A converted dataset of `count` frames, kept for the next time; a tenth of them is val.

    Returns the dataset of the frames that were drawn, below `folder`.
    """
    drawn = folder / "drawn"
    if (folder / "masks" / "report.json").exists():
        return drawn
    print(f"Making {count:,} frames in {folder}, once.", flush=True)
    make_sample(drawn, frames={"train": _DRAWN}, size_hw=size_hw)
    originals = find_frames(drawn)
    for number in range(count):
        frame = originals[number % _DRAWN]
        split, city = (
            ("val", "linked") if number % 10 == 0 else ("train", f"city{number % _CITIES}")
        )
        for path in filter(None, (frame.image, frame.label_ids, frame.instance_ids)):
            name = path.name.replace(frame.stem, f"{city}_{number:06d}_000019")
            link = folder / path.relative_to(drawn).parts[0] / split / city / name
            link.parent.mkdir(parents=True, exist_ok=True)
            link.unlink(missing_ok=True)
            link.symlink_to(path)
    convert(folder)
    return drawn


def make_findings(data: Path, runs: Path, count: int, box: tuple[int, int, int, int]) -> None:
    """Let Review of the app with these folders show `box` in each of the first `count` frames.

    `box` is (top, left, bottom, right) in pixels.
    """
    top, left, bottom, right = box
    findings = [
        Finding(
            *(frame.name, "island", 1 - place / count, box, (bottom - top) * (right - left)),
            label="car",
            train_id=13,
            other="road",
        )
        for place, frame in enumerate(find_frames(data)[:count])
    ]
    write_findings(findings_folder(data, runs) / AUDIT, findings)


def make_runs(
    folder: Path,
    count: int,
    rows: int,
    weights: Path | None = None,
    data: Path | None = None,
) -> int:
    """Make `count` runs with `rows` metric rows each in `folder`; returns their size in bytes.

    Every second one was lost, so that its state is in its rows; the others ended and say so. Each
    links to the file `weights`, if one is given, as its best weights.
    """
    content = _rows(rows)
    for number in range(count):
        settings = {"title": f"run {number}", "epochs": 1000} | ({"data": data} if data else {})
        run = RunDir.create(folder, make_config(settings))
        run.metrics_file.write_bytes(content)
        if weights:
            run.best.hardlink_to(weights)
        if number % 2:
            scores = {"mean_iou": 0.5, "best_epoch": 3, "epochs": 4, "steps": 200, "seconds": 60}
            write_json(run.summary_file, {"status": "done", **scores}, durable=False)
    return count * len(content)


def _rows(count: int) -> bytes:
    """Rows as the training writes them: those of training, then one of an epoch."""
    lines = []
    for number in range(count):
        epoch, place = divmod(number, _ROWS_PER_EPOCH + 1)
        row = {"epoch": epoch + 1, "learning_rate": 1e-4, "seconds": number * 1.234}
        if place < _ROWS_PER_EPOCH:
            step = {"kind": "train", "step": 10 * (place + 1), "steps": _STEPS, "loss": 0.123456}
        else:
            scores = dict.fromkeys(("train_loss", "val_loss", "mean_iou", "pixel_accuracy"), 0.5)
            step = {"kind": "epoch", "step": (epoch + 1) * _STEPS, **scores}
            step["class_iou"] = dict.fromkeys(CLASS_NAMES, 0.123456789)
        lines.append(json.dumps(row | step))
    return "".join(f"{line}\n" for line in lines).encode()
