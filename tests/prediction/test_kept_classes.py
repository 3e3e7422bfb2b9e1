"""Classes of the frames of a video that a later attempt does not predict once more."""

from pathlib import Path

import numpy as np
import pytest
from videos import numbered

from cityseg.arrays import Uint8Array
from cityseg.errors import CitysegError
from cityseg.prediction.kept_classes import KeptClasses

FRAMES = [numbered(number) for number in range(5)]


class Counting:
    """Classes that are a frame's own, and the frames that were classified."""

    def __init__(self) -> None:
        self.calls: list[int] = []

    def __call__(self, image: Uint8Array) -> Uint8Array:
        (number,) = [n for n, frame in enumerate(FRAMES) if np.array_equal(frame, image)]
        self.calls.append(number)
        return np.full(image.shape[:2], number, np.uint8)


def run(path: Path, frames: list[Uint8Array], key: str = "a", smooth: int = 1) -> list[int]:
    """The numbers of the frames that are classified; checks all classes."""
    counting = Counting()
    with KeptClasses(path, key, smooth) as kept:
        for frame in frames:
            found = kept.classes(frame, counting)
            assert np.array_equal(found, Counting()(frame))
    return counting.calls


def test_frames_are_classified_once(tmp_path: Path) -> None:
    path = tmp_path / "new" / "classes"
    assert run(path, FRAMES[:3]) == [0, 1, 2]
    assert run(path, FRAMES) == [3, 4]
    assert run(path, FRAMES) == []


def test_a_mean_over_frames_has_those_before(tmp_path: Path) -> None:
    path = tmp_path / "classes"
    run(path, FRAMES[:3], smooth=3)
    assert run(path, FRAMES, smooth=3) == [1, 2, 3, 4]


def test_another_network_or_video_begins_at_its_first_frame(tmp_path: Path) -> None:
    path = tmp_path / "classes"
    run(path, FRAMES)
    assert run(path, FRAMES, key="other") == [0, 1, 2, 3, 4]
    other = [FRAMES[0], FRAMES[2], FRAMES[1]]
    assert run(path, other, key="other") == [2, 1]
    assert run(path, other, key="other") == []


@pytest.mark.parametrize("cut", [1, 4, 30])
def test_a_record_that_is_cut_is_classified_again(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "classes"
    run(path, FRAMES[:3])
    path.write_bytes(path.read_bytes()[:-cut])
    assert run(path, FRAMES)[0] == 2
    assert run(path, FRAMES) == []


def test_a_damaged_record_is_classified_again(tmp_path: Path) -> None:
    path = tmp_path / "classes"
    run(path, FRAMES[:1])
    size = path.stat().st_size
    run(path, FRAMES)
    content = bytearray(path.read_bytes())
    content[size + 8 : size + 16] = b"no PNG.."
    path.write_bytes(content)
    assert run(path, FRAMES) == [1, 2, 3, 4]


def test_a_full_disk_ends_what_is_kept_and_not_the_work(tmp_path: Path) -> None:
    path = tmp_path / "classes"
    with KeptClasses(path, "a") as kept:
        kept.classes(FRAMES[0], Counting())
        kept._file.close()
        kept._file = Path("/dev/full").open("r+b", buffering=0)  # noqa: SIM115
        assert kept.classes(FRAMES[1], Counting())[0, 0] == 1
        assert kept.classes(FRAMES[2], Counting())[0, 0] == 2
    assert run(path, FRAMES) == [1, 2, 3, 4]


def test_without_a_frame_no_file_is_left(tmp_path: Path) -> None:
    with KeptClasses(tmp_path / "classes", "a"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "classes").mkdir()
    with pytest.raises(CitysegError, match=r"cannot be written \(Is a directory\): check"):
        KeptClasses(tmp_path / "classes", "a")
