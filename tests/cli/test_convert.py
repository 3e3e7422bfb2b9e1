"""`cityseg convert`: which splits are converted, in the present and in the first form."""

from pathlib import Path

import pytest
from city import annotation_path, polygons_file, write, write_frame

from cityseg.cli.main import main
from cityseg.data import Report, find_frames


@pytest.fixture
def city(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One frame in each split, in `city` below the current folder."""
    for split in ("train", "val", "test"):
        write_frame(tmp_path / "city", f"{split}_0_0", split)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "city"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["city"], {"train", "val", "test"}),
        (["city", "--splits", "val"], {"val"}),
        (["city", "--splits", "train,val"], {"train", "val"}),
        (["--splits", "train,val", "city"], {"train", "val"}),
        (["--splits=train,val", "city"], {"train", "val"}),
        (["--splits", "train", "val", "city"], {"train", "val"}),
        (["city", "--splits", "train", "val"], {"train", "val"}),
        (["--splits", "train", "val", "--workers", "1", "city"], {"train", "val"}),
        (["--splits", "val", "val", "city"], {"val"}),
    ],
)
def test_the_chosen_splits_are_converted(
    city: Path, arguments: list[str], expected: set[str]
) -> None:
    assert main(["convert", *arguments]) == 0
    report = Report.load(city / "masks")
    assert report
    assert {outcome.frame.partition("/")[0] for outcome in report.outcomes} == expected


@pytest.mark.parametrize("splits", ["tran", "train,tran", "tran,val", "train,,val"])
def test_an_unknown_split_is_named_with_those_that_exist(
    city: Path, splits: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="1"):
        main(["convert", "city", "--splits", splits])
    wrong = next(each for each in splits.split(",") if each not in ("train", "val"))
    sentence = f"There is no split {wrong!r}: choose from train, train_extra, val, test;"
    assert sentence in capsys.readouterr().err
    assert not (city / "masks").exists()


def test_a_label_map_names_the_objects_of_polygons(
    city: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    square = {"label": "Road", "polygon": [[0, 0], [9, 0], [9, 10], [0, 10]]}
    polygons = annotation_path(city, "train_0_0", "train", kind="polygons.json")
    annotation_path(city, "train_0_0").unlink()
    write(polygons, polygons_file(square))
    assert main(["convert", "city", "--splits", "train"]) == 1
    assert "1 'Road', perhaps road" in caplog.text

    write(Path("wrong.txt"), b"Road = street")
    assert main(["convert", "city", "--splits", "train", "--label-map", "wrong.txt"]) == 1
    assert "'street', which is no Cityscapes label" in capsys.readouterr().err

    write(Path("map.txt"), b"Road = road")
    assert main(["convert", "city", "--splits", "train", "--label-map", "map.txt"]) == 0
    assert (city / "masks" / "train" / "train" / "train_0_0_mask.png").exists()


def test_the_chosen_layout_is_converted_and_kept_for_other_commands(
    city: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = city / "leftImg8bit/train/train/train_0_0_leftImg8bit.png"
    foggy = city / "leftImg8bit_foggy/train/train/train_0_0_leftImg8bit_foggy_beta_0.02.png"
    write(foggy, image.read_bytes())
    assert main(["convert", "city", "--layout", "foggy"]) == 0
    assert (city / "masks/train/train/train_0_0_foggy_beta_0.02_mask.png").is_file()
    assert "Layout: foggy, kept for train, evaluate" in capsys.readouterr().out
    (frame,) = find_frames(city)
    assert frame.image == foggy


def test_a_split_that_the_chosen_layout_lacks_is_named_with_those_that_it_has(
    city: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(city / "leftImg8bit_foggy/train/ulm/ulm_0_0_leftImg8bit_foggy_beta_0.02.png")
    assert main(["convert", "city", "--layout", "foggy", "--splits", "val"]) == 1
    assert "(there are frames in train)" in capsys.readouterr().err


def test_an_unknown_layout_is_named_with_those_that_exist(
    city: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="1"):
        main(["convert", "city", "--layout", "coco"])
    assert "There is no layout 'coco': choose from cityscapes," in capsys.readouterr().err


def test_images_without_any_annotation_are_said_with_what_lies_there(
    city: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for file in city.glob("gtFine/*/*/*_labelIds.png"):
        file.rename(file.with_name(file.name.replace("_gtFine_", "_gt_")))
    for file in city.glob("gtFine/*/*/*_gtFine_*"):
        file.unlink()
    assert main(["convert", "city"]) == 1
    assert "3 files end in _gt_labelIds.png; wanted _gtFine_labelIds.png" in caplog.text


def test_a_dry_run_says_the_encoding_and_writes_nothing(
    city: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["convert", "city", "--dry-run"]) == 0
    assert capsys.readouterr().out.startswith("Encoding: label ids. 3 annotations examined")
    assert not (city / "masks").exists()


def test_a_named_encoding_is_taken(city: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["convert", "city", "--dry-run", "--encoding", "trainids-plus1"]) == 0
    expected = "Encoding: train ids + 1 with void as 0. Named by --encoding.\n"
    assert capsys.readouterr().out == expected
    assert main(["convert", "city", "--encoding", "categories"]) == 1
    assert "category ids, which cannot give 19 classes" in capsys.readouterr().err


def test_the_shape_of_pixels_is_named_and_kept(
    city: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = "Pixels: 2 times as wide as high. Named by --pixel-aspect."
    for options in (["--pixel-aspect", "2"], []):
        assert main(["convert", str(city), *options]) == 0
        assert said in capsys.readouterr().out
    assert main(["convert", str(city), "--pixel-aspect", "1"]) == 0
    assert "Pixels:" not in capsys.readouterr().out
