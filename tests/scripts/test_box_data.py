"""scripts/box_data.py: two versions of the labels become one dataset."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from cityseg.data import find_frames, read_exclusion
from cityseg.sample import make_sample

Script = Callable[..., tuple[str, str]]


@pytest.fixture
def versions(tmp_path: Path) -> tuple[Path, Path]:
    """The same frames twice."""
    best, void = tmp_path / "best", tmp_path / "void"
    make_sample(best, frames={"train": 3, "val": 2}, size_hw=(32, 64))
    shutil.copytree(best, void)
    return best, void


def make(script: Script, *arguments: object) -> object:
    """The exit status."""
    with pytest.raises(SystemExit) as ended:
        script("box_data", *arguments)
    return ended.value.code


def test_every_second_training_frame_has_sure_labels(
    script: Script, versions: tuple[Path, Path], tmp_path: Path
) -> None:
    best, void = versions
    out = tmp_path / "data"
    for _ in range(2):  # a second time over the links of the first
        assert make(script, best, void, out) == 0
        labels = {split: find_frames(out, (split,)) for split in ("train", "val")}
        sources = {
            split: [each.label_ids.resolve().relative_to(tmp_path).parts[0] for each in frames]
            for split, frames in labels.items()
        }
        assert sources == {"train": ["void", "best", "void"], "val": ["best", "best"]}
        assert all(each.image.is_file() for frames in labels.values() for each in frames)
    assert len(read_exclusion(out / "exclude.txt").names) == 14


def test_folders_of_other_frames_are_refused(
    script: Script,
    versions: tuple[Path, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    best, void = versions
    missing = find_frames(void, ("train",))[0].label_ids
    missing.unlink()
    assert make(script, best, void, tmp_path / "data") == 1
    assert f"{missing} is missing: make both from the same pairs" in capsys.readouterr().err
