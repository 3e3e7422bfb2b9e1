"""The card of a network in one file, for people and for model hubs: `export --to card`.

The front matter is that of Hugging Face's model cards:
https://huggingface.co/docs/hub/model-cards#model-card-metadata
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from cityseg.arrays import Uint8Array, as_uint8
from cityseg.errors import CitysegError
from cityseg.export.card_facts import CardFacts, read_card_facts
from cityseg.export.card_sections import card_sections, scored
from cityseg.export.document import (
    Block,
    Heading,
    Paragraph,
    Picture,
    as_html,
    as_markdown,
    one_line,
)
from cityseg.labels import TRAIN_ID_OF_LABEL_ID, TRAIN_ID_PALETTE
from cityseg.metrics import finite_or_none
from cityseg.runs import BOX_LICENCE
from cityseg.system import check_output_file, replacing

#: The forms of the file by its suffix.
_WRITERS: Final = {".md": as_markdown, ".html": as_html}
#: The terms of Cityscapes, from which those of the network in the box follow.
_TERMS: Final = "https://www.cityscapes-dataset.com/license/"
#: The metrics in the metadata, and what people call them.
_METRICS: Final = {"mean_iou": "Mean IoU", "pixel_accuracy": "Pixel accuracy"}
#: Of a picture in the card: its largest width in pixels, and the quality of WebP.
_MOST_WIDTH: Final = 480
_QUALITY: Final = 80
_GAP: Final = 4


def write_card(network: Path, out: Path, evidence: Path, *, with_frames: bool = False) -> None:
    """Write the card of `network`, a run's folder or a weights file, to `out`: .md or .html.

    `evidence` is the folder with its folders of evidence. Its picture is one of the sample city;
    `with_frames` adds those frames of the dataset whose predictions the run has kept. Raises
    CitysegError for another suffix, if `out` cannot be written, and for damaged files.
    """
    writer = _WRITERS.get(out.suffix.lower())
    if writer is None:
        raise CitysegError(f"{out} is neither a .md nor a .html file: name one for the card")
    check_output_file(out)
    facts = read_card_facts(network, evidence)
    pictures = [*_sample_picture(facts), *(_frames(facts) if with_frames else ())]
    text = writer(card_sections(facts, pictures), front_matter(facts))
    out.parent.mkdir(parents=True, exist_ok=True)
    with replacing(out) as file:
        file.write(text.encode())


# --- front matter -----------------------------------------------------------------------------


def front_matter(facts: CardFacts) -> str:
    """The metadata in YAML, a line for each field; every value is JSON, which YAML contains."""
    is_restricted = facts.is_box or facts.config.start_from == "box"
    licence: dict[str, Any] = {"license": "unknown"}
    if is_restricted:
        licence = {
            "license": "other",
            "license_name": BOX_LICENCE.replace(" ", "-"),
            "license_link": _TERMS,
        }
    fields = {
        **licence,
        "library_name": "cityseg",
        "pipeline_tag": "image-segmentation",
        "tags": ["semantic-segmentation", "cityscapes-classes", "cityseg"],
        "metrics": list(_METRICS),
        "model-index": [{"name": one_line(facts.title), "results": list(_results(facts))}],
    }
    lines = (f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in fields.items())
    return "".join(f"{line}\n" for line in lines)


def _results(facts: CardFacts) -> Iterator[dict[str, Any]]:
    """A result for each set of scores; undefined scores are left out."""
    for (name, scores), data, split in scored(facts):
        metrics = [
            {"type": kind, "name": f"{label} ({one_line(name)})", "value": value}
            for kind, label in _METRICS.items()
            if (value := finite_or_none(scores.get(kind))) is not None
        ]
        if metrics:
            yield {
                "task": {"type": "image-segmentation", "name": "Semantic segmentation"},
                "dataset": {"type": "street-scenes", "name": one_line(data), "split": split},
                "metrics": metrics,
            }


# --- pictures ---------------------------------------------------------------------------------


def _sample_picture(facts: CardFacts) -> Iterator[Block]:
    """A frame of the sample city, painted, with its truth and the prediction."""
    from cityseg.prediction import Predictor
    from cityseg.sample import paint_frame

    photo, label_ids = paint_frame("val", 0)
    predicted = Predictor.load(facts.weights, "cpu").predict_train_ids(photo)
    yield Heading("Picture")
    yield Paragraph(
        "A painted frame of cityseg's sample city, its truth, and the prediction for it, in the "
        "colours of Cityscapes; what is ignored is black."
    )
    row = _side_by_side(photo, TRAIN_ID_OF_LABEL_ID[label_ids], predicted)
    yield Picture(row, "A frame of the sample city, its truth and the prediction")


def _frames(facts: CardFacts) -> Iterator[Block]:
    """The frames whose predictions the run has kept, as of its best epoch or the last before it."""
    from cityseg.runs.panels import load_panels, panel_epochs

    epochs = panel_epochs(facts.run) if facts.run else []
    if not facts.run or not epochs:
        raise CitysegError(
            f"{facts.title} has kept no pictures of its frames: leave out --pictures"
        )
    epoch = max((each for each in epochs if each <= facts.epoch), default=epochs[0])
    yield Heading("Frames of validation")
    yield Paragraph(f"Each with its truth and the prediction after epoch {epoch}.")
    for panel in load_panels(facts.run, epoch):
        row = _side_by_side(panel.image, panel.truth, panel.prediction)
        yield Picture(row, f"{panel.name}: frame, truth and prediction")


def _side_by_side(photo: Uint8Array, truth: Uint8Array, predicted: Uint8Array) -> bytes:
    """(H, W, 3) uint8 RGB beside two (H, W) uint8 maps of train ids in colours, as WebP."""
    height, width = photo.shape[:2]
    scale = min(1.0, _MOST_WIDTH / width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    cells = [cv2.resize(photo, size, interpolation=cv2.INTER_AREA)]
    for train_ids in (truth, predicted):
        small = as_uint8(cv2.resize(train_ids, size, interpolation=cv2.INTER_NEAREST))
        cells.append(TRAIN_ID_PALETTE[small])
    gap = np.full((size[1], _GAP, 3), 128, np.uint8)  # seen on light and dark pages
    row = as_uint8(np.hstack([cells[0], gap, cells[1], gap, cells[2]]))
    bgr = cv2.cvtColor(row, cv2.COLOR_RGB2BGR)
    _, content = cv2.imencode(".webp", bgr, (cv2.IMWRITE_WEBP_QUALITY, _QUALITY))
    return content.tobytes()
