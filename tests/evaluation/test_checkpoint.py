"""Evaluation: what is counted is the prediction at label resolution; bad frames are named.

Also tests: evaluation/truth.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from city import annotation_path, encode, image_path, polygons_file, street, write, write_frame
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from tiny_runs import trained

from cityseg.config import make_config
from cityseg.data import png
from cityseg.data.images import read_image
from cityseg.data.masks import convert
from cityseg.data.official_names import official_stems
from cityseg.data.verdict import Verdict
from cityseg.errors import ScoreError
from cityseg.evaluation.checkpoint import evaluate
from cityseg.evaluation.folders import Encoding, score_folders
from cityseg.labels import LABEL_ID_OF_TRAIN_ID, LABEL_ID_PALETTE
from cityseg.metrics.counts import confusion_matrix
from cityseg.models import build_model
from cityseg.prediction.predictor import Predictor
from cityseg.runs import RunDir
from cityseg.runs.checkpoints import load_weights, save_weights


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


def test_the_encoding_of_the_masks_is_that_of_the_truth(checkpoint: Path, tmp_path: Path) -> None:
    root, stem = tmp_path / "binary", "town_000000_000000"
    values = (street(64, 128) == 7).astype(np.uint8)  # a mask of one label, or train ids
    write_frame(root, stem, "val", label_ids=values)
    Image.new("RGB", (128, 64)).save(image_path(root, stem, "val"))
    write(root / "pred" / f"{stem}.png", annotation_path(root, stem, "val").read_bytes())
    folders = root / "pred", root / "gtFine" / "val"
    for score in (lambda: evaluate(checkpoint, root), lambda: score_folders(*folders)):
        with pytest.raises(ScoreError, match=r"a mask of one label.* convert DATA --encoding"):
            score()
    convert(root, verdict=Verdict("trainids", "Named by --encoding"))
    (counts,) = evaluate(checkpoint, root, device="cpu").store.confusion
    assert counts.sum(axis=1)[[7, 8]].tolist() == [(values == 0).sum(), (values == 1).sum()]
    scored = score_folders(*folders, encoding="trainids")
    assert scored.store.scores().pixel_accuracy == 1


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


@pytest.mark.parametrize(
    ("instance_ids", "fault"),
    [
        (np.full((64, 128), 7001, np.uint16), "has the id 7001, but road has no instances"),
        (np.full((64, 128), 24, np.uint8), "has one channel of 8 bits: one of 16 bits is needed"),
        (np.full((64, 64), 24, np.uint16), "is 64×64 pixels, its ground truth 128×64"),
    ],
)
def test_a_frame_whose_instances_cannot_be_counted_counts_without_them(
    checkpoint: Path,
    city: Path,
    instance_ids: np.ndarray,
    fault: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    labels = annotation_path(city, "town_000000_000000", "val")
    path = labels.with_name(labels.name.replace("labelIds", "instanceIds"))
    Image.fromarray(instance_ids).save(path)
    write_instances(city, "town_000000_000001")
    result = evaluate(checkpoint, city, device="cpu")
    assert (len(result.store.names), result.skipped) == (4, [])
    assert result.store.has_instances.tolist() == [False, True, False, False]
    unusable, missing = caplog.messages
    assert unusable.startswith("The instance maps of 1 of 4 frames cannot be used, such as that of")
    assert fault in unusable
    assert missing.startswith("2 of 4 frames, such as val/town/town_000000_000002, have no inst")


def write_instances(city: Path, stem: str) -> None:
    labels = annotation_path(city, stem, "val")
    label_ids = np.array(Image.open(labels)).astype(np.uint16)
    path = labels.with_name(labels.name.replace("labelIds", "instanceIds"))
    Image.fromarray(np.where(label_ids == 26, np.uint16(26001), label_ids)).save(path)


@settings(max_examples=15, suppress_health_check=list(HealthCheck))
@given(
    frames=st.lists(
        st.tuples(
            st.sampled_from(["labelIds.png", "labelIds.PNG", "polygons.json", "both"]),
            st.sampled_from(["none", "good", "8 bits", "other size"]),
            st.sampled_from(["ulm", "jena"]),
        ),
        min_size=1,
        max_size=4,
    ),
    truth=st.sampled_from(["values", "palette", "colors"]),
    linked=st.booleans(),
    encoding=st.sampled_from(["labelids", "trainids"]),
)
def test_what_evaluate_accepts_gives_equal_numbers_through_score(
    checkpoint: Path,
    tmp_path_factory: pytest.TempPathFactory,
    frames: list[tuple[str, str, str]],
    truth: str,
    linked: bool,
    encoding: Encoding,
) -> None:
    root = tmp_path_factory.mktemp("drawn")
    predictor = Predictor.load(checkpoint, "cpu")
    for number, (annotation, instances, town) in enumerate(frames):
        stem = f"x_{number // 2:06}_000019"  # of the same name in two cities, now and then
        write_annotated(root, town, stem, annotation, instances, truth, seed=number)
        image = read_image(image_of(root, town, stem))
        predicted = predictor.predict(image).train_ids
        pixels = LABEL_ID_OF_TRAIN_ID[predicted] if encoding == "labelids" else predicted
        write(root / "pred" / town / f"{stem}.png", png.encode_grey(pixels))
    if linked:
        for kind in ("leftImg8bit", "gtFine"):
            (root / kind / "val").rename(root / f"{kind} elsewhere")
            (root / kind / "val").symlink_to(root / f"{kind} elsewhere")
    evaluated = evaluate(checkpoint, root, device="cpu")
    scored = score_folders(root / "pred", root / "gtFine" / "val", encoding=encoding)
    assert evaluated.skipped == []
    ours, theirs = scored.store.scores(), evaluated.store.scores()
    assert np.array_equal(ours.confusion, theirs.confusion)
    assert ours.class_iou == pytest.approx(theirs.class_iou, nan_ok=True)
    assert ours.instance_iou == pytest.approx(theirs.instance_iou, nan_ok=True)
    assert scored.store.has_instances.sum() == evaluated.store.has_instances.sum()


def image_of(root: Path, town: str, stem: str) -> Path:
    return root / "leftImg8bit" / "val" / town / f"{stem}_leftImg8bit.png"


def label_map(label_ids: np.ndarray, truth: str) -> bytes:
    """A PNG of label ids, of a palette in their colours, or of these colours."""
    if truth == "colors":
        return encode(LABEL_ID_PALETTE[label_ids])
    picture = Image.fromarray(label_ids)
    if truth == "palette":
        picture.putpalette(LABEL_ID_PALETTE.tobytes())
    return encode(picture)


def write_annotated(
    root: Path, town: str, stem: str, annotation: str, instances: str, truth: str, seed: int
) -> None:
    """A picture, its label ids or polygons or both, and an instance map of some kind."""
    label_ids = street(32, 64, seed=seed)
    write(image_of(root, town, stem), png.encode_rgb(np.repeat(label_ids[..., None] * 7, 3, 2)))
    start = root / "gtFine" / "val" / town / f"{stem}_gtFine_"
    if annotation != "polygons.json":
        ending = "labelIds.png" if annotation == "both" else annotation
        write(Path(f"{start}{ending}"), label_map(label_ids, truth))
    if annotation in ("polygons.json", "both"):
        road = {"label": "road", "polygon": [[0, 9], [64, 9], [64, 32], [0, 32]]}
        write(Path(f"{start}polygons.json"), polygons_file(road, size_hw=(32, 64)))
    if instances != "none":
        ids = np.where(label_ids == 26, 26001, label_ids)
        ids = ids[:, ::2] if instances == "other size" else ids
        depth = np.uint8 if instances == "8 bits" else np.uint16
        Image.fromarray(ids.astype(depth)).save(f"{start}instanceIds.png")


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


def test_a_split_without_a_pixel_of_a_class_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    blank = np.zeros((64, 128), np.uint8)
    write_frame(tmp_path, "town_000000_000000", "test", label_ids=blank)
    blank[40:] = 4
    blank[:9] = 1
    write_frame(tmp_path, "town_000000_000001", "test", label_ids=blank)
    message = f"of the test frames of {tmp_path} has a pixel of a class, so nothing can be scored"
    with pytest.raises(ScoreError, match=message):
        evaluate(checkpoint, tmp_path, split="test", device="cpu")


def test_progress_counts_up_to_all_frames(checkpoint: Path, city: Path) -> None:
    seen: list[tuple[int, int]] = []
    evaluate(checkpoint, city, device="cpu", progress=lambda *step: seen.append(step))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]


# --- at the size of training -----------------------------------------------------------------


def trained_on(root: Path, size_hw: tuple[int, int], **values: object) -> RunDir:
    """A run of two epochs on four streets of `size_hw`; its squares have official names."""
    for number in range(8):
        split, stem = ("val", "train")[number % 2], f"aachen_{number // 2:06}_000019"
        if split == "val":
            stem = official_stems("val")[number]
        label_ids = street(*size_hw, seed=number)
        write_frame(root, stem, split, label_ids=label_ids)
        write(image_path(root, stem, split), encode(LABEL_ID_PALETTE[label_ids]))
    convert(root)
    return trained(root, **values)


@pytest.mark.parametrize(
    ("size_hw", "values"),
    [
        ((60, 80), {}),
        ((60, 80), {"fit": "squash"}),
        ((60, 80), {"fit": "squash_in_training"}),
        ((64, 64), {}),  # official names: shown at 2:1
        ((48, 128), {"size": (64, 64), "batch_size": 3, "ema": 0.5}),
    ],
)
def test_an_evaluation_at_the_training_size_equals_the_validation(
    tmp_path: Path, size_hw: tuple[int, int], values: dict[str, Any]
) -> None:
    run = trained_on(tmp_path / "data", size_hw, **values)
    validated = load_weights(run.best).scores
    scores = evaluate(run.path, tmp_path / "data", at_training_size=True).store.scores()
    assert scores.mean_iou == pytest.approx(validated["mean_iou"], abs=1e-6)
    assert scores.pixel_accuracy == pytest.approx(validated["pixel_accuracy"], abs=1e-6)
    assert scores.class_iou == pytest.approx(
        {name: np.nan if iou is None else iou for name, iou in validated["class_iou"].items()},
        abs=1e-6,
        nan_ok=True,
    )


def test_frames_that_a_run_leaves_out_are_not_in_its_validation(tmp_path: Path) -> None:
    names = tmp_path / "names.txt"
    names.write_text(f"{official_stems('val')[0]}\n")
    run = trained_on(tmp_path / "data", (60, 80), exclude=names)
    result = evaluate(run.path, tmp_path / "data", at_training_size=True)
    assert len(result.store.names) == 3
    mean_iou = load_weights(run.best).scores["mean_iou"]
    assert result.store.scores().mean_iou == pytest.approx(mean_iou, abs=1e-6)
    assert len(evaluate(run.path, tmp_path / "data").store.names) == 4


def test_squeezed_frames_fill_the_size_in_training_and_in_evaluation(tmp_path: Path) -> None:
    run = trained_on(tmp_path / "data", (64, 64))
    (store,) = (run.path.parent / ".store").glob("val-32x64-*")
    masks = np.load(store / "masks.npy")
    assert masks.shape == (4, 32, 64)
    assert (masks[:, :16] != 255).all()
    result = evaluate(run.path, tmp_path / "data")
    predictor = Predictor.load(run.path)
    image = read_image(image_path(tmp_path / "data", result.store.names[0].split("/")[2], "val"))
    stretched = predictor.predict(image, pixel_aspect=2).train_ids
    expected = confusion_matrix(street(64, 64, seed=0), LABEL_ID_OF_TRAIN_ID[stretched])
    assert np.array_equal(result.store.confusion[0], expected)


def test_an_old_network_on_frames_of_other_proportions_is_scored_as_before_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = trained_on(tmp_path / "data", (60, 80), fit="squash_in_training")
    evaluate(run.path, tmp_path / "data")
    (message,) = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert "--at-training-size scores it as in training" in message


@pytest.mark.parametrize("option", [{"sliding": True}, {"flip": True}, {"size_hw": (32, 32)}])
def test_nothing_else_goes_with_the_training_size(
    checkpoint: Path, city: Path, option: dict[str, Any]
) -> None:
    with pytest.raises(ScoreError, match="leave --sliding, --flip and --size out"):
        evaluate(checkpoint, city, at_training_size=True, **option)


def test_a_split_is_evaluated_at_the_size_that_was_named(checkpoint: Path, city: Path) -> None:
    result = evaluate(checkpoint, city, device="cpu", size_hw=(48, 96))
    image = read_image(image_path(city, "town_000000_000000", "val"))
    predicted = Predictor.load(checkpoint, "cpu").predict(image, size_hw=(48, 96)).train_ids
    expected = confusion_matrix(street(64, 128, seed=0), LABEL_ID_OF_TRAIN_ID[predicted])
    assert np.array_equal(result.store.confusion[0], expected)
    assert (result.about["size"], result.about["at_training_size"]) == ([48, 96], False)
