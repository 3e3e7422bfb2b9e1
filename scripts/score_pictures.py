"""Draw the pictures of docs/scores.md: the network in the box on frames of the sample city."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import bootstrap

if TYPE_CHECKING:
    from cityseg.corruption import Corruption
    from cityseg.data import Frame
    from cityseg.evaluation import Evidence

FRAMES = 8
SIZE_HW = 256, 512
SEVERITY = 3
CLASS = "car"


def main() -> None:
    """Predict the frames, as they are and made worse, and draw what follows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--out",
        type=Path,
        default=bootstrap.ROOT / "docs" / "scores",
        help="Folder for the pictures [docs/scores]",
    )
    out: Path = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as folder:
        frames, evidence, worse = _collect(Path(folder))
        _draw_charts(out, evidence)
        _draw_maps(out, frames[0])
        _draw_corruptions(out, frames[0], evidence, worse)
    print(
        *sorted(f"{path} {path.stat().st_size / 1000:.0f} kB" for path in out.iterdir()), sep="\n"
    )


def _collect(root: Path) -> tuple[list[Frame], Evidence, dict[Corruption, Evidence]]:
    from cityseg.corruption import CORRUPTIONS, Corruption
    from cityseg.data import find_frames
    from cityseg.evaluation.evidence import collect_evidence
    from cityseg.runs import BOX
    from cityseg.sample import make_sample

    make_sample(root / "city", frames={"val": FRAMES}, size_hw=SIZE_HW)
    collect = partial(
        collect_evidence, BOX, root / "city", root / "out", device="cpu", with_pictures=False
    )
    worse = [Corruption(name, SEVERITY) for name in CORRUPTIONS]
    found = {each: collect(corruption=each) for each in worse}
    return find_frames(root / "city", ["val"]), collect(), found


def _draw_charts(out: Path, evidence: Evidence) -> None:
    import numpy as np
    import score_drawings as draw

    from cityseg.evaluation import frame_sums
    from cityseg.labels import CLASS_NAMES
    from cityseg.metrics import (
        frame_means,
        mean_iou_interval,
        reliability,
        risk_coverage,
        sampled_scores,
    )

    scores, frames = evidence.scores(), evidence.frame_scores
    known = {name: iou for name, iou in scores.class_iou.items() if iou == iou}
    draw.bars(out / "mean-iou.svg", known, scores.mean_iou, "Mean IoU")
    there = [index for index, name in enumerate(CLASS_NAMES) if name in known]
    draw.table(
        out / "frames.svg", frames.class_iou[:, there], [CLASS_NAMES[index] for index in there]
    )
    worst = frame_means(frames).worst[0.10]
    ordered = {f"{place + 1}": iou for place, iou in enumerate(sorted(frames.mean_iou))}
    draw.bars(out / "worst.svg", ordered, worst, "Worst 10%", first=1)
    curve = reliability(evidence.confidence())
    filled = curve.pixels > 0
    draw.curve(
        out / "reliability.svg",
        curve.confidence[filled],
        curve.accuracy[filled],
        ("Confidence", "Share of right pixels"),
        diagonal=True,
    )
    risks = risk_coverage(evidence.confidence().histogram)
    defined = ~np.isnan(risks.risk)
    axes = ("Coverage: share of pixels that is answered", "Risk: share of those that is wrong")
    draw.curve(out / "risk-coverage.svg", risks.coverage[defined], risks.risk[defined], axes)
    drawn = sampled_scores(frame_sums(evidence)).drawn.overall["mean_iou"]
    interval = mean_iou_interval(evidence.class_confusions)
    draw.histogram(out / "interval.svg", drawn, interval.low, interval.high, "Mean IoU")


def _draw_maps(out: Path, frame: Frame) -> None:
    import numpy as np
    import score_drawings as draw

    from cityseg.data import read_image
    from cityseg.evaluation.frames import load_frame
    from cityseg.labels import CLASS_NAMES, IGNORE, TRAIN_ID_OF_LABEL_ID
    from cityseg.metrics import (
        AVERAGE_INSTANCE_PIXELS,
        NEAR_SHARE,
        boundary_band,
        boundary_distance,
    )
    from cityseg.prediction import Predictor
    from cityseg.runs import BOX

    assert frame.image  # noqa: S101 - the sample city has every file
    loaded = load_frame(frame)
    photo = read_image(frame.image)
    truth = TRAIN_ID_OF_LABEL_ID[loaded.truth.label_ids]
    found = np.where(truth == IGNORE, IGNORE, Predictor.load(BOX, "cpu").predict_train_ids(photo))
    wrong = truth != found
    car = CLASS_NAMES.index(CLASS)
    of_truth, of_prediction = truth == car, found == car
    sides = [of_truth & of_prediction, of_truth & ~of_prediction, of_prediction & ~of_truth]
    draw.overlay(
        out / "iou.webp", photo, dict(zip(("Right", "Missed", "Invented"), sides, strict=True))
    )
    draw.overlay(
        out / "pixel-accuracy.webp", photo, {"Right": ~wrong & (truth != IGNORE), "Wrong": wrong}
    )
    distance = boundary_distance(truth.shape)
    bands = [boundary_band(each, distance) & (each == car) for each in (truth, found)]
    names = ("In both bands", "Truth only", "Prediction only")
    parts = [bands[0] & bands[1], bands[0] & ~bands[1], bands[1] & ~bands[0]]
    draw.overlay(out / "boundary-iou.webp", photo, dict(zip(names, parts, strict=True)))
    kinds = draw.error_kinds(truth, found, boundary_distance(truth.shape, NEAR_SHARE))
    draw.overlay(out / "error-kinds.webp", photo, kinds)
    ids = loaded.truth.instance_ids
    assert ids is not None  # noqa: S101
    sizes = {each: int((ids == each).sum()) for each in np.unique(ids[ids // 1000 == 26]).tolist()}
    average = AVERAGE_INSTANCE_PIXELS[CLASS]
    large = {each: size for each, size in sizes.items() if size > 300}  # with room for a number
    weights = {f"{average / size:.1f}": ids == each for each, size in large.items()}
    draw.overlay(out / "instance-iou.webp", photo, weights, at_places=True)


def _draw_corruptions(
    out: Path, frame: Frame, evidence: Evidence, worse: dict[Corruption, Evidence]
) -> None:
    import score_drawings as draw

    from cityseg.corruption import CORRUPTIONS
    from cityseg.data import read_image
    from cityseg.prediction import corrupt_picture

    assert frame.image  # noqa: S101
    photo = read_image(frame.image)
    clean = evidence.scores().mean_iou
    cells = {
        f"{CORRUPTIONS[each.name]}: {of.scores().mean_iou / clean:.0%}": corrupt_picture(
            photo, each, frame.name
        )
        for each, of in worse.items()
    }
    draw.sheet(out / "corruptions.webp", cells)


if __name__ == "__main__":
    bootstrap.enter("requirements-dev.txt")
    main()
