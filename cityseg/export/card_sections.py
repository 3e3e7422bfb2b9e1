"""The sections of the card of a network, as blocks: what is missing is said, and not invented."""

import math
import platform
from collections.abc import Iterator, Sequence
from datetime import timedelta
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final, NamedTuple

from cityseg import __version__
from cityseg.evaluation import Evidence, frame_sums
from cityseg.export.card_facts import CardFacts
from cityseg.export.charts import line_chart
from cityseg.export.document import Block, Code, Drawing, Heading, Paragraph, Points, Table
from cityseg.labels import CLASS_NAMES
from cityseg.metrics import (
    Interval,
    class_calibration,
    class_intervals,
    rank_frames,
    reliability,
    sampled_scores,
    score_intervals,
)
from cityseg.runs import BOX_LICENCE, CardScores, score_rows, train_command

#: Rows of the table of the worst frames, and classes named as the weakest.
_WORST_FRAMES: Final = 10
_WEAKEST: Final = 3
_PACKAGES: Final = ("torch", "torchvision", "numpy", "opencv-python-headless")
_OVERALL: Final = {
    "mean_iou": "Mean IoU",
    "frame_iou": "Mean IoU by frame",
    "boundary_iou": "Boundary IoU",
    "instance_iou": "Mean iIoU",
    "calibration_error": "Calibration error (ECE)",
}


def card_sections(facts: CardFacts, pictures: Sequence[Block]) -> list[Block]:
    """All sections; `pictures` stand after the first."""
    return [
        *_about(facts),
        *pictures,
        *_data(facts),
        *_recipe(facts),
        *_curves(facts),
        *_scores(facts),
        *(block for each in facts.evidence for block in _evidence(each)),
        *([] if facts.evidence else _no_evidence()),
        *_limits(facts),
        Heading("Licence"),
        Paragraph(licence_note(facts)),
        *_environment(facts),
    ]


def _about(facts: CardFacts) -> Iterator[Block]:
    config = facts.config
    (height, width), (crop_height, crop_width) = config.size, config.crop_hw
    yield Heading(facts.title, 1)
    size = f"{width}×{height} pixels, trained on crops of {crop_width}×{crop_height}"
    rows = [
        ("Task", f"Semantic segmentation of street scenes, {len(CLASS_NAMES)} classes"),
        ("Network", f"{config.model}, normalisation {config.norm}"),
        ("Size", size),
        ("Epoch", f"{facts.epoch} of {config.epochs}"),
        ("Seed", f"{config.seed}"),
        ("Digest of the weights", facts.digest or "Not recorded"),
    ]
    yield Table(("About", "This network"), rows)


def _data(facts: CardFacts) -> Iterator[Block]:
    yield Heading("Data")
    if facts.box_notes:
        yield Paragraph(facts.box_notes.data)
        return
    yield Paragraph(f"Trained on the dataset in a folder called {dataset_name(facts.config.data)}.")
    if facts.seen:
        splits = [name.partition("/")[0] for name in facts.seen.frames]
        counts = [f"{splits.count(split):,} of {split}" for split in sorted(set(splits))]
        yield Paragraph(f"Frames: {', '.join(counts)}.")
    else:
        yield Paragraph("The frames were not recorded.")
    if facts.config.exclude:
        yield Paragraph("Some frames were left out, as a file of frames said (--exclude).")
    if facts.config.review:
        yield Paragraph("Regions whose labels a review found wrong were ignored (--review).")


def _recipe(facts: CardFacts) -> Iterator[Block]:
    config = facts.config
    yield Heading("Recipe")
    yield Paragraph("This command trains it again; DATA is the folder of the dataset.")
    yield Code(train_command(config))
    if config.exclude or config.review:
        yield Paragraph("Add --exclude or --review with the file that the section Data speaks of.")
    if isinstance(config.start_from, Path):
        yield Paragraph("NETWORK is the network whose weights it started from.")
    if changes := facts.summary.get("changes"):
        yield Paragraph("The training was resumed after changes:")
        yield Points(changes)


def _curves(facts: CardFacts) -> Iterator[Block]:
    yield Heading("Training curves")
    of_loss = {
        name: points
        for name, key in (("Training", "train_loss"), ("Validation", "val_loss"))
        if (points := _curve(facts, key))
    }
    of_score = _curve(facts, "mean_iou")
    if of_loss:
        yield Drawing(line_chart(of_loss, "Epoch", "Loss"), "The loss after each epoch")
    if of_score:
        svg = line_chart({"": of_score}, "Epoch", "Mean IoU, validation")
        yield Drawing(svg, "The mean IoU of the validation after each epoch")
    if not of_loss and not of_score:
        yield Paragraph("There are no curves: the rows of the training are not beside the weights.")


def _curve(facts: CardFacts, key: str) -> list[tuple[float, float]]:
    return [(row["epoch"], row[key]) for row in facts.rows if _is_finite(row[key])]


def _is_finite(value: Any) -> bool:
    return value is not None and math.isfinite(value)


def _scores(facts: CardFacts) -> Iterator[Block]:
    yield Heading("Scores")
    columns = [each.column for each in scored(facts)]
    yield from map(Paragraph, facts.left_out)
    if not columns:
        yield Paragraph("This network has no scores: evaluate it with python -m cityseg evaluate.")
        return
    yield Paragraph(
        "Intersection over union by class, and its mean; a dash where it is undefined. The "
        "validation in training is at the size of training, an evaluation at that of the labels."
    )
    yield Table(("Score", *(each.name for each in columns)), score_rows(columns))


class Scored(NamedTuple):
    """Scores as a column of the table, and the dataset and split that they are of."""

    column: CardScores
    data: str
    split: str


def scored(facts: CardFacts) -> list[Scored]:
    """What the network was scored on, the validation in training first."""
    own = "its own frames" if facts.is_box else dataset_name(facts.config.data)
    found = []
    if facts.scores.get("mean_iou") is not None:
        found.append(Scored(CardScores("Validation in training", facts.scores), own, "val"))
    for each in facts.evaluations:
        data = dataset_name(Path(each.data)) if each.data else own
        how = f"{', sliding windows' if each.sliding else ''}{', mirrored' if each.flip else ''}"
        name = f"Evaluation on {each.split} of {data}, {_frames(len(each.store.names))}{how}"
        found.append(Scored(CardScores(name, each.scores.to_json()), data, each.split))
    return found


def _no_evidence() -> Iterator[Block]:
    yield Heading("Intervals, calibration and worst frames")
    yield Paragraph(
        "There is no evidence of these weights, so these are unknown: collect it with python -m "
        "cityseg evidence."
    )


def _evidence(evidence: Evidence) -> Iterator[Block]:
    about, count = evidence.about, len(evidence.store.names)
    yield Heading(f"Evidence on {about.split} of {dataset_name(Path(about.data))}")
    if not count:
        yield Paragraph("It has no frames.")
        return
    how = f"{', sliding windows' if about.sliding else ''}{', mirrored' if about.flip else ''}"
    yield Paragraph(
        f"{_frames(count)}{how}. In brackets: the 95 % interval of a bootstrap over frames. "
        "The share right, the confidence and its calibration error are those of the pixels "
        "predicted as the class."
    )
    sampled = sampled_scores(frame_sums(evidence))
    overall = score_intervals(sampled)
    yield Table(
        ("Score", "Value (interval)"),
        [(name, _with_bounds(overall[key])) for key, name in _OVERALL.items()],
    )
    counts = evidence.confidence()
    by_class = class_calibration(counts)
    columns = (by_class.accuracy, by_class.confidence, by_class.error)
    yield Heading("By class", 3)
    yield Table(
        ("Class", "IoU (interval)", "Share right", "Confidence", "Calibration error"),
        [
            (name, _with_bounds(bounds), *(_number(float(each[train_id])) for each in columns))
            for train_id, (name, bounds) in enumerate(
                zip(CLASS_NAMES, class_intervals(sampled, "iou"), strict=True)
            )
        ],
    )
    yield Heading("Calibration", 3)
    curve = reliability(counts)
    points = zip(curve.confidence.tolist(), curve.accuracy.tolist(), strict=True)
    if defined := [point for point in points if not math.isnan(point[0])]:
        svg = line_chart({"": defined}, "Confidence", "Share of right pixels", diagonal=True)
        yield Drawing(svg, "The share of right pixels by confidence")
    yield Heading("Worst frames", 3)
    yield Table(("Frame", "Mean IoU", "Pixel accuracy"), _worst_frames(evidence))


def _worst_frames(evidence: Evidence) -> list[tuple[str, ...]]:
    scores, names = evidence.frame_scores, evidence.store.names
    order = rank_frames(scores.mean_iou, worst_first=True)[:_WORST_FRAMES].tolist()
    return [
        (names[i], _number(float(scores.mean_iou[i])), _number(float(scores.pixel_accuracy[i])))
        for i in order
    ]


def _limits(facts: CardFacts) -> Iterator[Block]:
    yield Heading("Limits")
    if facts.box_notes:
        yield Paragraph(facts.box_notes.limits)
    if found := scored(facts):
        ious = found[-1].column.scores.get("class_iou") or {}
        defined = sorted((iou, name) for name, iou in ious.items() if _is_finite(iou))
        unknown = [name for name in CLASS_NAMES if not _is_finite(ious.get(name))]
        if defined:
            weakest = ", ".join(f"{name} ({iou:.3f})" for iou, name in defined[:_WEAKEST])
            yield Paragraph(f"The lowest scores are those of {weakest}.")
        if unknown:
            yield Paragraph(f"Classes without a score: {', '.join(unknown)}.")
    if not facts.box_notes:
        yield Paragraph(
            "The network was trained on one dataset, and nothing here says how it does on pictures "
            "of another kind. Further limits are not known to cityseg: add them here."
        )


def licence_note(facts: CardFacts) -> str:
    """What is known of the licence of the weights."""
    if facts.is_box:
        return (
            f"The weights are {BOX_LICENCE}: LICENSE.md in the folder cityseg/models/box has the "
            "terms. The code of cityseg is under the MIT licence."
        )
    if facts.config.start_from == "box":
        return (
            f"The network started from the one that ships with cityseg, whose weights are "
            f"{BOX_LICENCE}: LICENSE.md in the folder cityseg/models/box has the terms. Those of "
            "the dataset come on top."
        )
    return (
        "cityseg does not know the licence of these weights: it follows from the terms of the "
        "dataset and of the weights that the training started from. Networks trained on Cityscapes "
        "are for non-commercial use only, as its terms say."
    )


def _environment(facts: CardFacts) -> Iterator[Block]:
    yield Heading("Environment")
    seconds = facts.summary.get("seconds")
    device = "Not recorded"
    if facts.seen:
        device = {"cpu": "CPU", "cuda": "NVIDIA GPU"}.get(facts.seen.device, facts.seen.device)
    rows = [
        ("Trained on", device),
        ("Time of training", f"{timedelta(seconds=round(seconds))}" if seconds else "Not recorded"),
    ]
    yield Table(("Training", "Value"), rows)
    yield Paragraph("This card was written with these versions; the training may have had others.")
    versions = [
        ("Python", platform.python_version()),
        ("cityseg", __version__),
        *((name, _version(name)) for name in _PACKAGES),
    ]
    yield Table(("Package", "Version"), versions)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:  # another build of OpenCV
        return "Not installed as a package"


def dataset_name(data: Path) -> str:
    """What a dataset is called, without the folders of this machine."""
    return data.name or "data"


def _frames(count: int) -> str:
    return "1 frame" if count == 1 else f"{count:,} frames"


def _with_bounds(bounds: Interval) -> str:
    if math.isnan(bounds.score):
        return "–"
    return f"{bounds.score:.3f} ({bounds.low:.3f}–{bounds.high:.3f})"


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.3f}"
