"""Evaluation: what is counted is the prediction at label resolution; bad frames are named."""

from pathlib import Path

import numpy as np
import pytest
import torch
from city import annotation_path, image_path, street, write_frame
from PIL import Image

from cityseg.config import make_config
from cityseg.data.images import read_image
from cityseg.errors import ScoreError
from cityseg.evaluation.checkpoint import evaluate
from cityseg.labels import LABEL_ID_OF_TRAIN_ID
from cityseg.metrics.counts import confusion_matrix
from cityseg.models import build_model
from cityseg.prediction.predictor import Predictor
from cityseg.runs.checkpoints import save_weights


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    path = tmp_path / "weights.safetensors"
    config = make_config({"width": 2, "size": (32, 64)})
    save_weights(path, build_model("unet", width=2), config, 1, {"mean_iou": None})
    return path


@pytest.fixture
def city(tmp_path: Path) -> Path:
    root = tmp_path / "city"
    for number in range(4):
        stem = f"town_000000_00000{number}"
        label_ids = street(64, 128, seed=number)
        write_frame(root, stem, "val", label_ids=label_ids)
        Image.fromarray(np.repeat(label_ids[..., None] * 7, 3, 2)).save(
            image_path(root, stem, "val")
        )
    return root


def test_every_frame_is_counted_at_label_resolution(checkpoint: Path, city: Path) -> None:
    result = evaluate(checkpoint, city, device="cpu")
    predictor = Predictor.load(checkpoint, "cpu")
    for index, name in enumerate(result.store.names):
        image = read_image(image_path(city, name.rpartition("/")[2], "val"))
        predicted = LABEL_ID_OF_TRAIN_ID[predictor.predict(image).train_ids]
        expected = confusion_matrix(street(64, 128, seed=index), predicted)
        assert np.array_equal(result.store.confusion[index], expected)
    assert len(result.store.names) == 4


def test_frames_that_cannot_be_read_are_named_and_the_rest_is_scored(
    checkpoint: Path, city: Path
) -> None:
    annotation_path(city, "town_000000_000000", "val").write_bytes(b"")
    image_path(city, "town_000000_000001", "val").unlink()
    image_path(city, "town_000000_000002", "val").write_bytes(b"no picture")
    result = evaluate(checkpoint, city, device="cpu")
    assert result.store.names == ["val/town/town_000000_000003"]
    assert [text.split(":")[0] for text in result.skipped] == [
        f"val/town/town_000000_00000{number}" for number in range(3)
    ]


def test_an_image_of_another_size_than_its_labels_is_skipped(checkpoint: Path, city: Path) -> None:
    Image.new("RGB", (64, 64)).save(image_path(city, "town_000000_000000", "val"))
    (skipped,) = evaluate(checkpoint, city, device="cpu").skipped
    assert skipped.startswith("val/town/town_000000_000000: ")
    assert "is 64×64 pixels, but " in skipped
    assert skipped.endswith("is 128×64")


def test_a_frame_whose_instances_cannot_be_counted_is_skipped(checkpoint: Path, city: Path) -> None:
    labels = annotation_path(city, "town_000000_000000", "val")
    instance_ids = np.full((64, 128), 7001, np.uint16)  # an instance of road
    path = labels.with_name(labels.name.replace("labelIds", "instanceIds"))
    Image.fromarray(instance_ids).save(path)
    result = evaluate(checkpoint, city, device="cpu")
    assert len(result.store.names) == 3
    (skipped,) = result.skipped
    assert skipped == (
        "val/town/town_000000_000000: The instance map has the id 7001, but road has no instances"
    )


def test_a_split_without_annotations_is_refused(checkpoint: Path, city: Path) -> None:
    with pytest.raises(ScoreError, match="no annotated test frames"):
        evaluate(checkpoint, city, split="test", device="cpu")


def test_a_split_in_which_nothing_can_be_read_is_refused(checkpoint: Path, city: Path) -> None:
    for path in city.glob("gtFine/val/*/*"):
        path.write_bytes(b"")
    with pytest.raises(
        ScoreError,
        match=r"^None of the 4 val frames of .*city can be scored; the first is val/town/.*000: ",
    ):
        evaluate(checkpoint, city, device="cpu")


def test_progress_counts_up_to_all_frames(checkpoint: Path, city: Path) -> None:
    seen: list[tuple[int, int]] = []
    evaluate(checkpoint, city, device="cpu", progress=lambda *step: seen.append(step))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]
