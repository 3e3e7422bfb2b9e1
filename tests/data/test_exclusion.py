"""Frames that a training leaves out: what names mean, and what is reported."""

from pathlib import Path

import pytest

from cityseg.data import Exclusion, Frame, read_exclusion
from cityseg.errors import ConfigError


def frame(split: str, stem: str) -> Frame:
    city = stem.partition("_")[0]
    image = Path(f"/data/leftImg8bit/{split}/{city}/{stem}_leftImg8bit.png")
    label_ids = Path(f"/data/gtFine/{split}/{city}/{stem}_gtFine_labelIds.png")
    return Frame(split, city, stem, image, label_ids)


FIRST = frame("train", "aachen_000000_000019")
SECOND = frame("train", "aachen_000001_000019")
THIRD = frame("val", "aachen_000000_000019")
FRAMES = [FIRST, SECOND, THIRD]


def listed(tmp_path: Path, text: str) -> Exclusion:
    path = tmp_path / "names.txt"
    path.write_text(text)
    return read_exclusion(path)


@pytest.mark.parametrize(
    ("name", "left"),
    [
        ("aachen_000001_000019", [FIRST, THIRD]),
        ("aachen_000000_000019", [SECOND]),
        ("train/aachen/aachen_000000_000019", [SECOND, THIRD]),
        ("leftImg8bit/train/aachen/aachen_000000_000019_leftImg8bit.png", [SECOND, THIRD]),
        ("aachen/aachen_000001_000019_gtFine_labelIds.png", [FIRST, THIRD]),
        ("aachen_000001_000019_leftImg8bit", [FIRST, THIRD]),
        ("train\\aachen\\aachen_000000_000019", [SECOND, THIRD]),
    ],
)
def test_a_frame_is_named_by_its_stem_or_by_a_path(
    tmp_path: Path, name: str, left: list[Frame]
) -> None:
    exclusion = listed(tmp_path, name)
    exclusion.check(Path("/data"), FRAMES)
    assert exclusion.without(FRAMES) == left


def test_comments_and_empty_lines_name_nothing(tmp_path: Path) -> None:
    text = "\ufeff# of the report\r\n\r\n  aachen_000001_000019  # blurred\n#aachen_000000_000019\n"
    assert listed(tmp_path, text).names == ("aachen_000001_000019",)
    assert listed(tmp_path, "# nothing\n").without(FRAMES) == FRAMES


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("aachen_00001_000019", " (the nearest is aachen_000001_000019)"),
        ("val/aachen/aachen_000001_000019", " (the nearest is aachen_000001_000019)"),
        ("holiday", ""),
    ],
)
def test_an_unknown_name_is_reported_with_the_nearest(
    tmp_path: Path, name: str, nearest: str
) -> None:
    exclusion = listed(tmp_path, f"aachen_000000_000019\n{name}\n")
    with pytest.raises(ConfigError) as caught:
        exclusion.check(Path("/data"), FRAMES)
    assert str(caught.value) == (
        f"{tmp_path}/names.txt names frames that /data does not have: {name}{nearest}: correct "
        "these names or remove them"
    )


def test_many_unknown_names_are_counted(tmp_path: Path) -> None:
    exclusion = listed(tmp_path, "\n".join(f"x{number}" for number in range(50)))
    with pytest.raises(ConfigError, match="x0, x1, x2 and 47 more: correct"):
        exclusion.check(Path("/data"), FRAMES)


def test_a_list_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot be read \(No such file"):
        read_exclusion(tmp_path / "missing.txt")
    with pytest.raises(ConfigError, match=r"cannot be read \(Is a directory"):
        read_exclusion(tmp_path)
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\xff")
    with pytest.raises(ConfigError, match="is no text in UTF-8"):
        read_exclusion(tmp_path / "picture.png")


def test_a_device_without_an_end_and_a_large_file_are_no_list(tmp_path: Path) -> None:
    (tmp_path / "large.txt").write_text("ü" * (9 << 20))
    for path in (Path("/dev/zero"), tmp_path / "large.txt"):
        with pytest.raises(ConfigError, match="is too large for a list of frames"):
            read_exclusion(path)
