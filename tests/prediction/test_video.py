"""Videos of predictions: frames, views, averaging, and what is kept after a stop."""

from itertools import pairwise

import cv2
import numpy as np
import pytest
import torch
from tiny_runs import files_limited_to
from videos import number_of, numbered, read_frames, write_video

from cityseg.config import make_config
from cityseg.data import Video, open_video, read_image
from cityseg.errors import CitysegError, ConfigError, Skipped
from cityseg.models import build_model
from cityseg.prediction import Predictor, predict_video
from cityseg.prediction.files import colors, overlay
from cityseg.prediction.upsampling import classify_logits
from cityseg.runs.checkpoints import Checkpoint


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    torch.manual_seed(0)
    config = make_config({"width": 2, "size": (32, 64)})
    weights = build_model("unet", width=2).state_dict()
    return Predictor(Checkpoint("weights", config, weights, 1, {}), "cpu", amp="off")


def video_of(frames: list, rate: float = 25.0) -> Video:
    return Video(iter(frames), rate, len(frames))


@pytest.mark.parametrize("ending", [".mp4", ".webm"])
@pytest.mark.parametrize("rate", [0.5, 29.97, 66.6667])  # the last has too many ticks for MPEG-4
def test_each_frame_is_written_at_its_time(tmp_path, predictor, ending, rate) -> None:
    out = tmp_path / "new" / f"out{ending}"
    calls: list[tuple[int, int]] = []
    source = open_video(write_video(tmp_path / "in.avi"), rate)
    report = predict_video(predictor, source, out, progress=lambda *call: calls.append(call))
    assert (report.path, report.frames, report.skipped, report.stopped) == (out, 6, [], "")
    frames, found = read_frames(out)
    assert found == pytest.approx(rate, abs=0.01)
    assert list(map(number_of, frames)) == list(range(6))
    assert calls == [(done, 6) for done in range(1, 7)]
    assert list(out.parent.iterdir()) == [out]


def test_colours_lie_over_the_picture_or_beside_it(tmp_path, predictor) -> None:
    image = cv2.GaussianBlur(numbered(3, 64, 128), (0, 0), 3)
    train_ids = predictor.predict_train_ids(image)
    for name, beside, expected in (
        ("over.mp4", False, overlay(image, train_ids)),
        ("beside.mp4", True, np.hstack([image, colors(train_ids)])),
    ):
        predict_video(predictor, video_of([image]), tmp_path / name, beside=beside)
        ((found,), _) = read_frames(tmp_path / name)
        assert found.shape == expected.shape
        assert cv2.PSNR(found, expected) > 25
        assert beside or cv2.PSNR(found, image) < 20


def test_the_last_row_and_column_of_odd_frames_are_kept(tmp_path, predictor) -> None:
    image = cv2.GaussianBlur(numbered(3, 65, 49), (0, 0), 3)
    predict_video(predictor, video_of([image]), tmp_path / "odd.mp4", beside=True)
    ((found,), _) = read_frames(tmp_path / "odd.mp4")
    assert found.shape == (66, 98, 3)
    assert cv2.PSNR(found[:65, :49], image) > 25


def test_smoothing_averages_the_logits_of_the_last_frames(tmp_path, predictor, monkeypatch) -> None:
    shown: list[np.ndarray] = []
    monkeypatch.setattr(
        "cityseg.prediction.video.overlay",
        lambda image, train_ids: (shown.append(train_ids), overlay(image, train_ids))[1],
    )
    frames = [numbered(number) for number in range(4)]
    predict_video(predictor, video_of(frames), tmp_path / "out.mp4", smooth=2)
    with torch.inference_mode():
        logits = [predictor.logits(frame) for frame in frames]
        means = [logits[0], *((a + b) / 2 for a, b in pairwise(logits))]
        expected = [classify_logits(mean, (32, 64), with_confidence=False)[0] for mean in means]
    assert np.array_equal(shown, expected)
    assert not np.array_equal(shown[-1], predictor.predict_train_ids(frames[-1]))


def test_frames_that_are_lost_or_of_another_size_are_skipped(tmp_path, predictor) -> None:
    lost = Skipped("truncated", "It ends early")
    frames = [numbered(0), numbered(1, 16, 32), numbered(2), lost]
    report = predict_video(predictor, video_of(frames), tmp_path / "out.mp4")
    assert report.frames == 2
    assert [skipped.detail for skipped in report.skipped] == [
        "Frame 2 is 32×16, and the first 64×32: bring all to one size",
        "It ends early",
    ]
    assert list(map(number_of, read_frames(tmp_path / "out.mp4")[0])) == [0, 2]


def test_nothing_is_written_without_a_frame(tmp_path, predictor) -> None:
    report = predict_video(predictor, video_of([Skipped("x", "Lost")]), tmp_path / "out.mp4")
    assert (report.path, report.frames) == (None, 0)
    assert list(tmp_path.iterdir()) == []


def test_a_stop_keeps_a_part_that_plays_and_the_earlier_result(tmp_path, predictor) -> None:
    out = tmp_path / "out.mp4"
    out.write_bytes(b"earlier")

    def stop(done: int, total: int) -> None:
        if done == 8:
            raise KeyboardInterrupt

    frames = [numbered(number) for number in range(12)]
    report = predict_video(predictor, video_of(frames), out, progress=stop)
    part = tmp_path / "out.part.mp4"
    assert (report.path, report.stopped) == (part, "Stopped")
    assert 3 <= report.frames <= 8
    assert list(map(number_of, read_frames(part)[0])) == list(range(report.frames))
    assert out.read_bytes() == b"earlier"
    assert sorted(tmp_path.iterdir()) == [out, part]


def test_a_disk_that_fills_up_ends_the_work_with_a_part(tmp_path, predictor, monkeypatch) -> None:
    monkeypatch.setattr("cityseg.prediction.video._LEAST_FREE", 1 << 62)
    frames = [numbered(number) for number in range(12)]
    report = predict_video(predictor, video_of(frames), tmp_path / "out.mp4")
    assert report.stopped == "The disk is full"
    assert 0 < report.frames < 12
    assert len(read_frames(tmp_path / "out.part.mp4")[0]) == report.frames


def test_the_newest_frame_is_shown_while_the_work_lasts(tmp_path, predictor) -> None:
    preview, sizes = tmp_path / "preview.jpg", []

    def look(done: int, total: int) -> None:
        if preview.exists():
            sizes.append(read_image(preview).shape)

    frames = [numbered(number, 400, 1280) for number in range(4)]
    source = video_of(frames)
    predict_video(predictor, source, tmp_path / "out.mp4", preview=preview, progress=look)
    assert set(sizes) == {(200, 640, 3)}
    first = cv2.resize(
        read_frames(tmp_path / "out.mp4")[0][0], (640, 200), interpolation=cv2.INTER_AREA
    )
    assert cv2.PSNR(read_image(preview), first) > 25


def test_a_file_that_could_not_be_written_whole_is_no_result(tmp_path, predictor) -> None:
    frames = [numbered(number, 128, 256) for number in range(8)]
    with files_limited_to(4000), pytest.raises(CitysegError, match="after writing: check"):
        predict_video(predictor, video_of(frames), tmp_path / "out.mp4")
    assert list(tmp_path.iterdir()) == []


def test_memory_does_not_grow_with_the_video(tmp_path, predictor) -> None:
    read = 0
    seen: list[int] = []

    def frames():
        nonlocal read
        for number in range(40):
            read += 1
            yield numbered(number % 8)

    source = Video(frames(), 25.0, 0)
    predict_video(
        predictor, source, tmp_path / "out.mp4", progress=lambda done, _: seen.append(read - done)
    )
    assert max(seen) <= 4  # frames read ahead


def test_impossible_outputs_are_refused_before_a_frame_is_read(tmp_path, predictor) -> None:
    for name, message in (("out.gif", "let it end in .mp4"), ("folder.mp4", "it is a folder")):
        (tmp_path / "folder.mp4").mkdir(exist_ok=True)
        with pytest.raises(CitysegError, match=message):
            predict_video(predictor, video_of([]), tmp_path / name)
    with pytest.raises(CitysegError, match=r"None of 2 frames can be read .*: check free space, s"):
        predict_video(predictor, video_of([numbered(0, 1, 1)] * 2), tmp_path / "out.webm")
    with pytest.raises(ConfigError, match="An ONNX file gives classes, which cannot be averaged"):
        predict_video(object(), video_of([]), tmp_path / "out.mp4", smooth=2)
    assert list(tmp_path.iterdir()) == [tmp_path / "folder.mp4"]
