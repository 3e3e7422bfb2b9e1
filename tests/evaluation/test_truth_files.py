"""Which files are ground truth: by their names, by a layout that is named, or by that of masks."""

from pathlib import Path

import city
import pytest

from cityseg.data.masks import convert
from cityseg.errors import ScoreError
from cityseg.evaluation.folders import score_folders
from cityseg.evaluation.pairing import find_pairs
from cityseg.evaluation.truth_files import find_truths

STEM = "aachen_000000_000019"


def truths(root: Path, *names: str, layout: str | None = None) -> dict[str, list[str]]:
    """The files found for each stem, by their names, among these."""
    paths = [root / "gt" / name for name in names]
    found = find_truths(paths, root / "gt", layout)
    return {
        stem: [path.name for files in folders.values() for path in files.values()]
        for stem, folders in found.items()
    }


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("a_gtFine_labelIds.png", "a_gtCoarse_labelIds.png"), ["a_gtFine_labelIds.png"]),
        (("a_gtCoarse_labelIds.png",), ["a_gtCoarse_labelIds.png"]),
        (("a_gtFine_labelTrainIds.png", "a_gtFine_color.png"), ["a_gtFine_labelTrainIds.png"]),
        (("a_gtFine_labelTrainIds.png", "a_gtFine_polygons.json"), ["a_gtFine_polygons.json"]),
        (("a_gtFine_labelIds.jpg", "a_gtFine_labelIds.PNG"), ["a_gtFine_labelIds.PNG"]),
        (("a_gt_labelTrainIds.png",), ["a_gt_labelTrainIds.png"]),
    ],
)
def test_names_prove_what_is_read_as_in_a_dataset(
    tmp_path: Path, names: tuple[str, ...], expected: list[str]
) -> None:
    assert truths(tmp_path, *names, "a.png", "readme.txt") == {"a": expected}


def test_pictures_of_any_name_are_truth_only_in_a_layout_that_says_so(tmp_path: Path) -> None:
    assert truths(tmp_path, "1.png", layout="kitti") == {"1": ["1.png"]}
    with pytest.raises(ScoreError, match="or the layout with --layout"):
        truths(tmp_path, "1.png")
    with pytest.raises(ScoreError, match="No annotation as the layout gtCoarse has it"):
        truths(tmp_path, "a_gtFine_labelIds.png", layout="gtCoarse")


def test_the_layout_of_the_masks_is_used(tmp_path: Path) -> None:
    """What `convert` has found or was told need not be named again."""
    root = tmp_path / "kitti"
    city.write(root / "training" / "image_2" / "1_10.png", city.encode(city.street()))
    truth = city.write(root / "training" / "semantic" / "1_10.png", city.encode(city.street()))
    city.write(tmp_path / "pred" / "1_10.png", city.encode(city.street()))
    with pytest.raises(ScoreError, match=r"or the layout with --layout$"):
        find_pairs(tmp_path / "pred", root)
    convert(root)
    scored = score_folders(tmp_path / "pred", truth.parent)
    assert scored.store.scores().pixel_accuracy == 1


@pytest.mark.parametrize(
    ("image", "annotation"),
    [
        ("training/image_2/1_10.png", "training/semantic/1_10.png"),
        ("images/10k/val/a-1.jpg", "labels/sem_seg/masks/val/a-1.png"),
        ("images/00001.png", "labels/00001.png"),
    ],
)
def test_the_layout_that_a_folder_is_part_of_is_used(
    tmp_path: Path, image: str, annotation: str
) -> None:
    city.write(tmp_path / image)
    truth = city.write(tmp_path / annotation, city.encode(city.street()))
    prediction = city.write(tmp_path / "pred" / truth.name, city.encode(city.street()))
    (pair,) = find_pairs(tmp_path / "pred", truth.parent)
    assert (pair.prediction, pair.annotation) == (prediction, truth)


def test_what_lies_there_instead_is_named(tmp_path: Path) -> None:
    city.write(tmp_path / "pred" / "a_1.png")
    city.write(tmp_path / "gt" / "a_1_labels.png")
    with pytest.raises(ScoreError, match=r"1 file ends in _labels\.png; wanted _gtFine_labelIds"):
        find_pairs(tmp_path / "pred", tmp_path / "gt")
