"""Videos as they come: of any rate, turned, without their end, and folders of pictures."""

from pathlib import Path

import child
import numpy as np
import pytest
from city import encode, write
from videos import number_of, numbered, turn, write_video

from cityseg.data import open_video
from cityseg.errors import ImageError, Skipped


@pytest.mark.parametrize("rate", [0.5, 17, 29.97, 66.67, 240])
def test_frames_come_in_order_with_the_rate_of_the_file(tmp_path: Path, rate: float) -> None:
    video = open_video(write_video(tmp_path / "a:b.avi", rate=rate))
    assert (video.rate, video.total) == (pytest.approx(rate, abs=0.01), 6)
    assert [number_of(frame) for frame in video.frames] == list(range(6))


def test_a_turned_video_is_read_upright(tmp_path: Path) -> None:
    plain, turned = (write_video(tmp_path / name) for name in ("plain.mp4", "turned.mp4"))
    expected = [np.rot90(frame, -1) for frame in open_video(plain).frames]
    found = list(open_video(turn(turned)).frames)
    assert found[0].shape == (64, 32, 3)
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("ending", [".avi", ".mkv"])
def test_a_missing_end_is_reported_behind_what_can_be_read(tmp_path: Path, ending: str) -> None:
    path = write_video(tmp_path / f"cut{ending}", frames=12)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    *frames, lost = open_video(path).frames
    assert [number_of(frame) for frame in frames] == list(range(len(frames)))
    assert 0 < len(frames) < 10
    assert isinstance(lost, Skipped)
    assert lost.detail == (
        f"{path} has {len(frames)} readable frames of 12: its end is missing or damaged, fetch it "
        "again"
    )


def test_a_folder_is_a_video_in_the_order_of_names(tmp_path: Path) -> None:
    for number in (2, 0, 1):
        write(tmp_path / f"{number}.png", encode(numbered(number)))
    write(tmp_path / "1b.png", b"no picture")
    video = open_video(tmp_path)
    assert (video.rate, video.total) == (25, 4)
    zero, one, lost, two = video.frames
    assert list(map(number_of, (zero, one, two))) == [0, 1, 2]
    assert str(tmp_path / "1b.png") in lost.detail
    assert open_video(tmp_path, rate=10).rate == 10


def test_official_names_prove_the_shape_of_pixels(tmp_path: Path) -> None:
    squeezed = numbered(0, 32, 32)
    write(tmp_path / "official/aachen_000000_000019_leftImg8bit.png", encode(squeezed))
    write(tmp_path / "other/street.png", encode(squeezed))
    assert open_video(tmp_path / "official").pixel_aspect == 2
    assert open_video(tmp_path / "other").pixel_aspect == 1


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("none.mp4", "There is no video .*none.mp4: name a video file or a folder of pictures"),
        ("text.mp4", "text.mp4 is damaged or no video: fetch it again"),
        ("page.mp4", "page.mp4 is no video but a web page: download the file itself"),
        ("no_index.mp4", "no_index.mp4 is damaged or no video: fetch it again"),
        ("empty", "empty has no pictures: it is empty"),
        ("nested", "nested has no pictures: it has 1 folder; name one of its folders"),
    ],
)
def test_what_is_no_video_is_an_error(
    tmp_path: Path, name: str, message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "nested" / "inner").mkdir(parents=True)
    (tmp_path / "text.mp4").write_text("text")
    (tmp_path / "page.mp4").write_text("<!DOCTYPE html>")
    content = write_video(tmp_path / "whole.mp4").read_bytes()
    (tmp_path / "no_index.mp4").write_bytes(content[: len(content) // 2])
    with pytest.raises(ImageError, match=message):
        open_video(tmp_path / name)
    assert capfd.readouterr().err == ""  # nor by OpenCV


def test_a_video_without_permission_is_to_be_checked(tmp_path: Path) -> None:
    path = write_video(tmp_path / "drive.mp4")
    path.chmod(0)
    code = """
import sys
from pathlib import Path
from cityseg.data import open_video
from cityseg.errors import ImageError
try:
    open_video(Path(sys.argv[1]))
except ImageError as error:
    print(error)
"""
    message = child.output_obeying_permissions(code, path)
    assert message == f"{path} cannot be read (Permission denied): check the file\n"
