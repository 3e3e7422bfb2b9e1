"""Pairing, reading and encodings, on real files; genuine frames against the official evaluator.

Also tests: evaluation/pairing.
"""

import errno
import json
import logging
import math
import os
import subprocess
import sys

import city
import cv2
import numpy as np
import official_evaluator
import pytest
from city import street
from PIL import Image

from cityseg.errors import ScoreError
from cityseg.evaluation.files import write_scores
from cityseg.evaluation.folders import score_folders
from cityseg.evaluation.pairing import find_pairs
from cityseg.labels import (
    LABEL_ID_OF_TRAIN_ID,
    LABEL_ID_PALETTE,
    MAP_LABELS,
    TRAIN_ID_OF_LABEL_ID,
    TRAIN_ID_PALETTE,
    TRAIN_LABELS,
)

VOID, ROAD, SIDEWALK, SKY, PERSON, CAR = 0, 7, 8, 23, 24, 26
STEM = "ulm_000001_000019"
OTHER = "ulm_000002_000019"

# Four pixels a frame: road is hit twice of three times, sky always, and void does not count.
TRUTH = [[ROAD, ROAD, SKY, VOID]]
PREDICTED = [[ROAD, SKY, SKY, SKY]]
ROAD_IOU, SKY_IOU = 1 / 2, 1 / 2


@pytest.fixture
def folders(tmp_path):
    """Empty folders for predictions and ground truth."""
    (tmp_path / "pred").mkdir()
    (tmp_path / "gt" / "ulm").mkdir(parents=True)
    return tmp_path / "pred", tmp_path / "gt"


def write_png(path, rows, dtype=np.uint8):
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.array(rows, dtype))
    return path


def write_truth(gt, stem=STEM, rows=TRUTH, instance_ids=None):
    if instance_ids:
        write_png(gt / "ulm" / f"{stem}_gtFine_instanceIds.png", instance_ids, np.uint16)
    return write_png(gt / "ulm" / f"{stem}_gtFine_labelIds.png", rows)


def write_prediction(pred, stem=STEM, rows=PREDICTED):
    return write_png(pred / f"{stem}_pred.png", rows)


def write_frame(folders, stem=STEM, truth=TRUTH, predicted=PREDICTED, instance_ids=None):
    pred, gt = folders
    write_truth(gt, stem, truth, instance_ids)
    return write_prediction(pred, stem, predicted)


def defined(iou):
    return {name: value for name, value in iou.items() if not math.isnan(value)}


def train_ids(rows):
    return TRAIN_ID_OF_LABEL_ID[np.array(rows)]


# Pairing


def test_a_folder_of_predictions_is_scored(folders):
    write_frame(folders)
    write_frame(folders, OTHER, truth=[[ROAD]], predicted=[[ROAD]])
    scored = score_folders(*folders)
    assert scored.encoding == "labelids"
    assert scored.store.names == [STEM, OTHER]
    assert defined(scored.store.scores().class_iou) == {"road": 2 / 3, "sky": 1 / 2}


@pytest.mark.parametrize(
    "name", [f"{STEM}.png", f"{STEM}_pred.png", f"a/b/{STEM}_gtFine_labelTrainIds.png"]
)
def test_a_prediction_is_found_by_its_prefix_however_deep(folders, name):
    write_truth(folders[1])
    write_png(folders[0] / name, PREDICTED)
    assert [pair.prediction for pair in find_pairs(*folders)] == [folders[0] / name]


def test_a_stem_may_have_the_suffix_of_its_picture(folders):
    write_truth(folders[1], f"{STEM}.png")
    write_png(folders[0] / f"{STEM}.png", PREDICTED)
    assert [pair.prediction for pair in find_pairs(*folders)] == [folders[0] / f"{STEM}.png"]


@pytest.mark.parametrize("name", [f"{STEM}0.png", f"x{STEM}.png", f"{STEM}.npz", f"{OTHER}.png"])
def test_a_file_of_another_frame_or_type_is_not_a_prediction(folders, name):
    write_truth(folders[1])
    (folders[0] / name).write_bytes(b"")
    with pytest.raises(ScoreError, match=r"^Predictions of 1 of 1 frames are missing"):
        find_pairs(*folders)


def test_missing_predictions_are_counted_and_the_first_is_named(folders):
    write_frame(folders, "ulm_000001_000001")
    for number in (2, 3):
        write_truth(folders[1], f"ulm_00000{number}_000001")
    with pytest.raises(
        ScoreError, match=r"^Predictions of 2 of 3 frames are missing.*ulm_000002_000001\*"
    ):
        score_folders(*folders)


def test_two_predictions_of_one_frame_are_refused(folders):
    write_frame(folders)
    write_png(folders[0] / "color" / f"{STEM}_color.png", PREDICTED)
    with pytest.raises(
        ScoreError,
        match=rf"prediction of {STEM}, .*{STEM}_\w+\.png and .*{STEM}_\w+\.png: keep one",
    ):
        score_folders(*folders)


FOG = "_leftImg8bit_foggy_beta_"


def write_densities(pred, *densities, stem=STEM, ending="_labelIds.png"):
    for density in densities:
        write_png(pred / f"{stem}{FOG}{density}{ending}", PREDICTED)


def test_predictions_of_several_densities_of_fog_are_paired_with_their_frame(folders):
    write_truth(folders[1])
    write_densities(folders[0], "0.01", "0.005", "0.02")
    store = score_folders(*folders, encoding="labelids").store
    assert store.names == [f"{STEM}_foggy_beta_{density}" for density in ("0.005", "0.01", "0.02")]
    assert store.scores().class_iou["road"] == ROAD_IOU


@pytest.mark.parametrize("ending", [".png", "_pred.png", "_gtFine_labelTrainIds.png"])
def test_predictions_of_one_density_have_the_names_of_their_frames(folders, ending):
    write_truth(folders[1])
    write_densities(folders[0], "0.02", ending=ending)
    assert [pair.name for pair in find_pairs(*folders)] == [STEM]


def test_two_predictions_of_one_density_are_refused(folders):
    write_truth(folders[1])
    write_densities(folders[0], "0.01", "0.02")
    write_densities(folders[0], "0.02", ending="_color.png")
    with pytest.raises(ScoreError, match=rf"are the prediction of {STEM}, .*0\.02.*0\.02"):
        find_pairs(*folders)


def test_a_prediction_without_density_beside_others_is_refused(folders):
    write_frame(folders)
    write_densities(folders[0], "0.02")
    with pytest.raises(ScoreError, match=f"^Two files are the prediction of {STEM}, "):
        find_pairs(*folders)


def test_a_frame_without_one_of_the_densities_is_named(folders):
    write_truth(folders[1])
    write_truth(folders[1], OTHER)
    write_densities(folders[0], "0.01", "0.02")
    write_densities(folders[0], "0.01", stem=OTHER)
    with pytest.raises(
        ScoreError, match=rf"but {OTHER} has none of foggy_beta_0\.0[12]: score one"
    ):
        find_pairs(*folders)


def test_one_frame_in_two_splits_is_refused(folders):
    write_frame(folders)
    write_truth(folders[1] / "copy")
    with pytest.raises(ScoreError, match=f"^Two files are the ground truth of {STEM}, "):
        score_folders(*folders)


def test_a_folder_without_ground_truth_is_refused(folders):
    message = r"^No \*_gtFine_labelIds\.png or \*_gtFine_polygons\.json is below .*gt: name"
    with pytest.raises(ScoreError, match=message):
        score_folders(*folders)


@pytest.mark.parametrize("at", [0, 1])
def test_a_missing_folder_is_named(folders, at):
    write_frame(folders)
    wrong = [*folders]
    wrong[at] /= "nowhere"
    with pytest.raises(ScoreError, match=r"^There is no folder .*nowhere: check"):
        score_folders(*wrong)


def test_links_to_folders_are_followed_and_loops_end(folders, tmp_path):
    pred, gt = folders
    write_truth(tmp_path / "disk")
    write_prediction(tmp_path / "disk2" / "ulm")
    (gt / "ulm").rmdir()
    (gt / "ulm").symlink_to(tmp_path / "disk" / "ulm")
    (pred / "ulm").symlink_to(tmp_path / "disk2" / "ulm")
    (tmp_path / "disk" / "ulm" / "back").symlink_to(gt)
    (pair,) = find_pairs(pred, gt)
    assert pair.annotation == gt / "ulm" / f"{STEM}_gtFine_labelIds.png"
    assert pair.prediction == pred / "ulm" / f"{STEM}_pred.png"


def test_a_folder_that_cannot_be_read_is_named(folders, monkeypatch):
    write_frame(folders)
    hidden = folders[1] / "ulm"
    scandir = os.scandir

    def refuse(path):
        if os.fspath(path) == os.fspath(hidden):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), os.fspath(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)  # root may read what permissions forbid
    with pytest.raises(ScoreError, match=rf"^The folder {hidden} cannot be read \(Permission"):
        score_folders(*folders)


def test_frames_of_one_name_are_paired_by_folder(folders):
    pred, gt = folders
    for town, label in (("ulm", ROAD), ("jena", SKY)):
        write_png(gt / town / f"{STEM}_gtFine_labelIds.png", [[label]])
        write_png(pred / town / f"{STEM}_pred.png", [[label]])
    pairs = find_pairs(pred, gt)
    assert [pair.name for pair in pairs] == [f"jena/{STEM}", f"ulm/{STEM}"]
    assert all(pair.prediction.parent.name == pair.annotation.parent.name for pair in pairs)
    assert score_folders(*folders, encoding="labelids").store.scores().pixel_accuracy == 1.0


def test_frames_of_one_name_in_two_splits_are_paired_by_both_folders(folders):
    pred, gt = folders
    for split, label in (("train", ROAD), ("val", SKY)):
        write_png(gt / split / "ulm" / f"{STEM}_gtFine_labelIds.png", [[label]])
        write_png(pred / split / "ulm" / f"{STEM}.png", [[label]])
    scored = score_folders(pred, gt, encoding="labelids").store
    assert scored.scores().pixel_accuracy == 1.0
    assert len(set(scored.names)) == 2


def test_a_name_that_begins_another_one_is_not_its_frame(folders):
    pred, gt = folders
    for stem, label in (("f1", ROAD), ("f1_b", SKY), ("f10", CAR)):
        write_truth(gt, stem, [[label]])
        write_png(pred / f"{stem}.png", [[label]])
    assert score_folders(pred, gt).store.scores().pixel_accuracy == 1.0


@pytest.mark.parametrize(
    ("truth", "prediction"),
    [("zu\u0308rich_0_1", "z\u00fcrich_0_1"), ("ulm_0_1", "Ulm_0_1")],
)
def test_names_are_paired_in_any_form_and_case(folders, truth, prediction):
    write_truth(folders[1], truth)
    write_png(folders[0] / f"{prediction}.png", PREDICTED)
    assert [pair.name for pair in find_pairs(*folders)] == [truth]


@pytest.mark.parametrize("at", [0, 1])
def test_a_link_to_a_city_that_is_gone_is_an_error(folders, at):
    write_frame(folders)
    (folders[at] / "jena").symlink_to("gone")
    with pytest.raises(ScoreError, match=r"jena is a link to gone, which cannot be reached: mend"):
        find_pairs(*folders)


@pytest.mark.parametrize("suffix", [".jpg", ".npy", ".tif"])
def test_predictions_of_another_type_are_named(folders, suffix):
    write_truth(folders[1])
    (folders[0] / f"{STEM}{suffix}").write_bytes(b"x")
    with pytest.raises(ScoreError, match=rf"{STEM}\{suffix} is no PNG: write predictions as PNG"):
        find_pairs(*folders)


def test_predictions_without_ground_truth_are_counted(folders, caplog):
    write_frame(folders)
    write_prediction(folders[0], OTHER)
    assert len(find_pairs(*folders)) == 1
    assert caplog.messages == [
        f"Not scored, without a ground truth: 1 PNG file below {folders[0]}, "
        f"such as {OTHER}_pred.png"
    ]


def test_ground_truth_in_an_unclear_encoding_is_refused(folders):
    write_frame(folders, truth=np.where(street() == CAR, 255, 0), predicted=street())
    with pytest.raises(
        ScoreError, match=r"0, 255.*name it with python -m cityseg convert DATA --encoding"
    ):
        score_folders(*folders)


def test_capital_suffixes_are_read_on_both_sides(folders):
    pred, gt = folders
    truth = write_truth(gt)
    truth.rename(truth.with_suffix(".PNG"))
    prediction = write_prediction(pred)
    prediction.rename(prediction.with_suffix(".PNG"))
    assert score_folders(*folders).store.names == [STEM]


def test_polygons_are_ground_truth_where_there_are_no_label_ids(folders):
    pred, gt = folders
    road = {"label": "road", "polygon": [[0, 0], [3, 0], [3, 2], [0, 2]]}
    content = city.polygons_file(road, size_hw=(2, 4))
    city.write(gt / "ulm" / f"{STEM}_gtFine_polygons.json", content)
    write_prediction(pred, rows=[[ROAD] * 4] * 2)
    scores = score_folders(pred, gt, encoding="labelids").store.scores()
    assert scores.class_iou["road"] == 1.0
    write_truth(gt, rows=[[SKY] * 4] * 2)
    assert score_folders(pred, gt, encoding="labelids").store.scores().class_iou["road"] == 0.0


@pytest.mark.parametrize("side", [0, 1])
def test_a_pipe_is_an_error_at_once(folders, side):
    write_frame(folders)
    (path,) = folders[side].rglob("*.png")
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(ScoreError, match=f"{path.name} cannot be read \\(It is a pipe or a device"):
        score_folders(*folders)


# Encodings


def test_both_encodings_of_the_same_prediction_score_the_same(folders, tmp_path):
    pred, gt = folders
    write_frame(folders)
    write_png(tmp_path / "train" / f"{STEM}.png", train_ids([[ROAD, SKY, SKY, VOID]]))
    scored = score_folders(tmp_path / "train", gt)
    assert scored.encoding == "trainids"
    assert defined(scored.store.scores().class_iou) == {"road": ROAD_IOU, "sky": SKY_IOU}
    assert defined(score_folders(pred, gt).store.scores().class_iou) == {
        "road": ROAD_IOU,
        "sky": SKY_IOU,
    }


def test_an_ignored_train_id_on_an_evaluated_pixel_is_a_false_negative(folders):
    write_frame(folders, truth=[[ROAD, ROAD]], predicted=[[0, 255]])
    assert defined(score_folders(*folders).store.scores().class_iou) == {"road": 1 / 2}


@pytest.mark.parametrize(
    ("decisive", "undecided", "encoding"), [(255, 0, "trainids"), (33, 7, "labelids")]
)
@pytest.mark.parametrize("first", [True, False])
def test_one_prediction_decides_the_encoding_of_all(folders, decisive, undecided, encoding, first):
    stems = [STEM, OTHER] if first else [OTHER, STEM]
    write_frame(folders, stems[0], truth=[[VOID]], predicted=[[decisive]])
    write_frame(folders, stems[1], truth=[[ROAD]], predicted=[[undecided]])
    scored = score_folders(*folders)
    assert scored.encoding == encoding
    assert scored.store.names == [STEM, OTHER]
    assert scored.store.scores().pixel_accuracy == 1.0


def test_values_of_both_encodings_are_ambiguous_and_the_choice_is_explained(folders):
    write_frame(folders, truth=[[ROAD, ROAD, ROAD, SIDEWALK]], predicted=[[0, 0, 0, 8]])
    with pytest.raises(ScoreError) as caught:
        score_folders(*folders)
    assert "labelids or trainids" in str(caught.value)
    assert "as label ids, 25.0% of the pixels are correct" in str(caught.value)
    assert "as train ids, 75.0% of the pixels are correct" in str(caught.value)


@pytest.mark.parametrize(("encoding", "accuracy"), [("labelids", 1 / 4), ("trainids", 3 / 4)])
def test_a_given_encoding_settles_an_ambiguous_case(folders, encoding, accuracy):
    write_frame(folders, truth=[[ROAD, ROAD, ROAD, SIDEWALK]], predicted=[[0, 0, 0, 8]])
    scored = score_folders(*folders, encoding=encoding)
    assert scored.encoding == encoding
    assert scored.store.scores().pixel_accuracy == accuracy


@pytest.mark.parametrize(
    ("encoding", "value", "noun"),
    [("trainids", 23, "train id"), ("labelids", 255, "label id"), ("labelids", 34, "label id")],
)
def test_values_that_contradict_the_given_encoding_are_refused(folders, encoding, value, noun):
    write_frame(folders, truth=[[ROAD, ROAD]], predicted=[[7, value]])
    with pytest.raises(ScoreError, match=f"{STEM}_pred.png holds {value}, which is not a {noun}"):
        score_folders(*folders, encoding=encoding)


def test_a_mixture_of_encodings_is_refused_naming_the_first_file_of_each(folders):
    write_frame(folders, STEM, truth=[[SKY]], predicted=[[SKY]])
    write_frame(folders, "ulm_000001_000020", truth=[[SKY]], predicted=[[CAR]])
    write_frame(folders, OTHER, truth=[[SKY]], predicted=[[255]])
    with pytest.raises(ScoreError) as caught:
        score_folders(*folders)
    assert f"{STEM}_pred.png holds 23, which is not a train id" in str(caught.value)
    assert f"{OTHER}_pred.png holds 255, which is not a label id" in str(caught.value)


@pytest.mark.parametrize("value", [34, 128, 254])
def test_a_value_of_neither_encoding_is_refused(folders, value):
    write_frame(folders, truth=[[ROAD, ROAD]], predicted=[[7, value]])
    with pytest.raises(ScoreError, match=f"holds {value}, which is not a label id and .* train id"):
        score_folders(*folders)


def test_ground_truth_in_train_ids_is_read(folders):
    write_frame(folders, truth=train_ids(street()), predicted=street())
    assert score_folders(*folders).store.scores().pixel_accuracy == 1.0


def test_a_frame_in_train_ids_among_label_ids_is_refused(folders):
    for number in range(2, 6):
        label_ids = street(seed=number)
        write_frame(folders, f"ulm_00000{number}_000019", label_ids, label_ids)
    write_frame(folders, truth=train_ids(street()), predicted=street())
    with pytest.raises(ScoreError, match=f"{STEM}_gtFine_labelIds.png holds train ids"):
        score_folders(*folders)


# Files


def damaged(content, how):
    return {
        "truncated": content[: len(content) // 2],
        "damaged": content[:-20] + bytes([content[-20] ^ 1]) + content[-19:],
        "no PNG": b"not a picture",
    }[how]


@pytest.mark.parametrize("how", ["truncated", "damaged", "no PNG"])
@pytest.mark.parametrize("side", [0, 1])
def test_a_damaged_file_is_named(folders, how, side):
    write_frame(folders, truth=street(), predicted=street())
    (path,) = folders[side].rglob("*.png")
    path.write_bytes(damaged(path.read_bytes(), how))
    with pytest.raises(ScoreError, match=f"{path.name} is {how}"):
        score_folders(*folders)


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        (np.zeros((1, 4, 3), np.uint8), "three channels of 8 bits"),
        (np.zeros((1, 4, 4), np.uint8), "four channels of 8 bits"),
        (np.zeros((1, 4), np.uint16), "one channel of 16 bits"),
        (np.zeros((2, 4), np.uint8), "is 4×2 pixels, its ground truth 4×1"),
    ],
)
def test_a_prediction_of_another_format_or_size_is_refused(folders, picture, message):
    path = write_frame(folders)
    assert cv2.imwrite(str(path), picture)
    with pytest.raises(ScoreError, match=f"{path.name} .*{message}"):
        score_folders(*folders)


def test_a_palette_prediction_of_other_colours_is_refused(folders):
    path = write_frame(folders)
    Image.new("P", (4, 1)).save(path)
    with pytest.raises(ScoreError, match=f"{path.name} is a palette picture, and not all"):
        score_folders(*folders)


@pytest.mark.parametrize(
    ("encoding", "palette"), [("labelids", LABEL_ID_PALETTE), ("trainids", TRAIN_ID_PALETTE)]
)
def test_a_palette_prediction_in_cityscapes_colours_is_read(folders, encoding, palette):
    path = write_frame(folders)
    rows = np.array(PREDICTED if encoding == "labelids" else train_ids(PREDICTED), np.uint8)
    picture = Image.fromarray(rows)
    picture.putpalette(palette.tobytes())
    picture.save(path)
    scored = score_folders(*folders)
    assert scored.encoding == "palette"
    assert defined(scored.store.scores().class_iou) == {"road": ROAD_IOU, "sky": SKY_IOU}


def test_a_prediction_in_exact_colours_is_read(folders):
    path = write_frame(folders)
    Image.fromarray(LABEL_ID_PALETTE[np.array(PREDICTED)]).save(path)
    scored = score_folders(*folders)
    assert scored.encoding == "colors"
    assert defined(scored.store.scores().class_iou) == {"road": ROAD_IOU, "sky": SKY_IOU}


OTHER_NUMBERINGS = {
    "trainids-void19": lambda ids: np.where(train_ids(ids) == 255, 19, train_ids(ids)),
    "trainids-plus1": lambda ids: train_ids(ids) + np.uint8(1),
}


@pytest.mark.parametrize("encoding", OTHER_NUMBERINGS)
def test_perfect_predictions_in_another_numbering_are_never_scored_as_wrong_ones(folders, encoding):
    predicted = OTHER_NUMBERINGS[encoding](np.array(city.street()))
    write_frame(folders, truth=city.street(), predicted=predicted)
    with pytest.raises(ScoreError, match=rf"with --encoding {encoding} or ") as caught:
        score_folders(*folders)
    assert ", 100.0% of the pixels are correct" in str(caught.value)
    scored = score_folders(*folders, encoding=encoding)
    assert set(defined(scored.store.scores().class_iou).values()) == {1.0}


def test_perfect_predictions_in_category_ids_are_refused(folders):
    category = np.array([label.category_id for label in MAP_LABELS])
    write_frame(folders, truth=city.street(), predicted=category[city.street()])
    with pytest.raises(ScoreError, match=r"category ids, 100\.0% of the pixels"):
        score_folders(*folders)
    with pytest.raises(ScoreError, match="Category ids cannot give the scores of 19 classes"):
        score_folders(*folders, encoding="categories")


def test_perfect_predictions_in_numbers_of_their_own_are_refused(folders, caplog):
    own = np.random.default_rng(3).permutation(34).astype(np.uint8)
    write_frame(folders, truth=city.street(), predicted=own[city.street()])
    with pytest.raises(
        ScoreError, match=r"numbers of their own, .* 100\.0% if each value"
    ) as caught:
        score_folders(*folders)
    assert f"such as {own[ROAD]} for road" in str(caught.value)
    score_folders(*folders, encoding="labelids")
    assert "numbers of their own" in caplog.text


def test_poor_predictions_are_scored(folders):
    poor = np.random.default_rng(0).integers(0, 34, city.street().shape)
    write_frame(folders, truth=city.street(), predicted=poor)
    assert score_folders(*folders).store.scores().pixel_accuracy < 0.1


def test_ground_truth_without_a_class_gives_no_scores(folders):
    write_frame(folders, truth=[[VOID, VOID, VOID, VOID]])
    with pytest.raises(ScoreError, match="has a pixel of a class, so nothing can be scored: name"):
        score_folders(*folders)


def test_a_file_in_place_of_the_folder_is_called_one(folders):
    path = write_frame(folders)
    with pytest.raises(ScoreError, match=rf"{path.name} is a file: name its folder"):
        score_folders(path, folders[1])


def test_a_wrong_encoding_that_was_named_is_reported(folders, caplog):
    predicted = OTHER_NUMBERINGS["trainids-void19"](np.array(city.street()))
    write_frame(folders, truth=city.street(), predicted=predicted)
    score_folders(*folders, encoding="labelids")
    assert "The predictions seem to be train ids with void as 19" in caplog.text


def test_a_file_that_cannot_be_opened_is_named(folders):
    path = write_frame(folders)
    path.unlink()
    path.symlink_to("nowhere")
    with pytest.raises(ScoreError, match=f"{path.name} cannot be read \\(No such file"):
        score_folders(*folders)


@pytest.mark.parametrize("how", ["truncated", "damaged", "no PNG"])
def test_damaged_ground_truth_costs_no_other_frame(folders, how, caplog):
    write_frame(folders)
    write_frame(folders, OTHER, truth=[[ROAD]], predicted=[[ROAD]])
    path = folders[1] / "ulm" / f"{STEM}_gtFine_labelIds.png"
    path.write_bytes(damaged(path.read_bytes(), how))
    scored = score_folders(*folders, encoding="labelids")
    assert scored.store.names == [OTHER]
    (skipped,) = scored.skipped
    assert skipped.startswith(f"{STEM}: {path} is {how}")
    assert f"Skipped {skipped}" in caplog.text


# Instances


def test_instance_maps_beside_the_ground_truth_give_instance_scores(folders):
    write_frame(folders, STEM, [[PERSON]], [[PERSON]], [[24000]])
    write_frame(folders, OTHER, [[PERSON] * 3], [[SKY] * 3], [[24000] * 3])
    scores = score_folders(*folders).store.scores()
    assert scores.class_iou["person"] == 1 / 4
    assert scores.instance_iou["person"] == 1 / 2


@pytest.mark.parametrize(
    ("instance_ids", "dtype", "fault"),
    [
        ([[26000]], np.uint16, "is 1×1 pixels, its ground truth 4×1"),
        (TRUTH, np.uint8, "has one channel of 8 bits"),
        ([[7001] * 4], np.uint16, "has the id 7001, but road has no instances"),
    ],
)
def test_an_unusable_instance_map_loses_the_instance_scores_of_its_frame_only(
    folders, caplog, instance_ids, dtype, fault
):
    write_frame(folders)
    write_png(folders[1] / "ulm" / f"{STEM}_gtFine_instanceIds.png", instance_ids, dtype)
    write_frame(folders, OTHER, [[CAR]], [[CAR]], [[26000]])
    store = score_folders(*folders).store
    assert store.has_instances.tolist() == [False, True]
    assert store.scores().instance_iou["car"] == 1.0
    assert store.scores().class_iou["road"] == ROAD_IOU
    (message,) = caplog.messages
    assert message.startswith("The instance maps of 1 of 2 frames cannot be used, such as that of")
    assert fault in message


def test_frames_without_an_instance_map_are_left_out_of_instance_scores_and_reported(
    folders, tmp_path, caplog
):
    write_frame(folders, STEM, [[CAR]], [[CAR]], [[26000]])
    write_frame(folders, OTHER, [[CAR]], [[CAR]])
    with caplog.at_level(logging.WARNING):
        store = score_folders(*folders).store
    assert "1 of 2 frames, such as " in caplog.text
    assert OTHER in caplog.text
    write_scores(tmp_path / "scores.json", store, {})
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert (scores["frames"], scores["frames_with_instances"]) == (2, 1)
    assert scores["mean_instance_iou"] == 1.0
    assert scores["instance_iou"]["car"] == 1.0
    assert scores["class_iou"]["car"] == 1.0
    assert store.scores(np.array([0])).instance_iou["car"] == 1.0
    assert math.isnan(store.scores(np.array([1])).instance_iou["car"])


def test_ground_truth_without_any_instance_map_gives_no_warning(folders, caplog):
    write_frame(folders)
    scores = score_folders(*folders).store.scores()
    assert defined(scores.instance_iou) == {}
    assert not caplog.records


def test_progress_is_reported_for_each_frame(folders):
    seen = []
    write_frame(folders, STEM)
    write_frame(folders, OTHER)
    score_folders(*folders, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 2), (2, 2)]


# Genuine frames


def shifted(truths, index, rng):
    return np.roll(truths[index], (5, 12), (0, 1))


def of_another_frame(truths, index, rng):
    return truths[index - 1]


def with_ignored_labels(truths, index, rng):
    ignored = rng.integers(0, 7, truths[index].shape, np.uint8)
    return np.where(rng.random(truths[index].shape) < 0.1, ignored, truths[index])


def of_one_class(truths, index, rng):
    return np.full_like(truths[index], ROAD)


def in_train_ids(truths, index, rng):
    return TRAIN_ID_OF_LABEL_ID[np.roll(truths[index], 40, 1)]


CORRUPTIONS = {
    shifted: "labelids",
    of_another_frame: "labelids",
    with_ignored_labels: "labelids",
    of_one_class: "labelids",
    in_train_ids: "trainids",
}


def test_scores_of_genuine_frames_equal_the_official_ones(genuine, tmp_path):
    gt = genuine / "gtFine"
    paths = sorted(gt.rglob("*_labelIds.png"))
    truths = [cv2.imread(str(path), cv2.IMREAD_UNCHANGED) for path in paths]
    rng = np.random.default_rng(0)
    cases, ours = [], []
    for corrupt, encoding in CORRUPTIONS.items():
        case = {"predictions": [], "ground_truths": [str(path) for path in paths]}
        folder = tmp_path / corrupt.__name__
        for index, path in enumerate(paths):
            stem = path.name.removesuffix("_gtFine_labelIds.png")
            predicted = corrupt(truths, index, rng)
            prediction = write_png(folder / f"{stem}.png", predicted)
            if encoding == "trainids":
                predicted = LABEL_ID_OF_TRAIN_ID[predicted]
                prediction = write_png(tmp_path / "decoded" / f"{stem}.png", predicted)
            case["predictions"].append(str(prediction))
        cases.append(case)
        given = "labelids" if corrupt is of_one_class else None
        scored = score_folders(folder, gt, encoding=given)
        assert scored.encoding == encoding
        ours.append(scored.store.scores())
    assert len(defined(ours[0].class_iou)) > 12
    assert len(defined(ours[0].instance_iou)) > 3
    for scores, official in zip(ours, official_evaluator.results_of(cases), strict=True):
        official_evaluator.assert_same(scores, official)


def test_genuine_truth_scores_1_against_itself(genuine, tmp_path):
    for path in (genuine / "gtFine").rglob("*_labelIds.png"):
        stem = path.name.removesuffix("_gtFine_labelIds.png")
        (tmp_path / f"{stem}.png").symlink_to(path)
    scores = score_folders(tmp_path, genuine / "gtFine").store.scores()
    assert set(defined(scores.class_iou).values()) == {1.0}
    assert set(defined(scores.instance_iou).values()) == {1.0}
    assert {"road", "car"} <= set(defined(scores.class_iou)) <= {c.name for c in TRAIN_LABELS}


def test_scoring_needs_no_torch():
    code = "import sys, cityseg.evaluation.folders; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
