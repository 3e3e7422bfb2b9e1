"""`predict --video`: files and folders in, a video out, exit statuses, a stop by ^C."""

import signal
from pathlib import Path

import pytest
import torch
from city import encode, write
from videos import number_of, numbered, read_frames, write_video

from cityseg.cli.main import main
from cityseg.config import make_config
from cityseg.models import build_model
from cityseg.prediction import Predictor
from cityseg.prediction.files import overlay
from cityseg.runs.checkpoints import save_weights

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "weights.safetensors"
    save_weights(
        path,
        build_model("unet", width=2),
        make_config({"width": 2, "size": (32, 64)}),
        1,
        {},
    )
    return path


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def predict(weights: Path, *arguments: str) -> int:
    return main(["predict", *arguments, "--network", str(weights)])


def test_a_video_is_predicted_with_its_rate(weights: Path, capfd: Capture) -> None:
    write_video(Path("in.avi"), rate=17)
    arguments = ["in.avi", "--video", "out.mp4", "--beside", "--smooth", "3"]
    assert predict(weights, *arguments) == 0
    frames, rate = read_frames(Path("out.mp4"))
    assert (len(frames), frames[0].shape, rate) == (6, (32, 128, 3), 17)
    assert capfd.readouterr().out == "out.mp4: 6 frames predicted, 0 skipped.\n"
    assert not Path("predictions").exists()


def test_a_folder_of_frames_is_a_video_of_the_rate_that_is_named(
    weights: Path, capfd: Capture
) -> None:
    for number in range(3):
        write(Path("frames", f"{number}.png"), encode(numbered(number)))
    write(Path("frames", "1b.png"), b"no picture")
    assert predict(weights, "frames", "--video", "out.webm", "--frame-rate", "12.5") == 2
    frames, rate = read_frames(Path("out.webm"))
    assert (list(map(number_of, frames)), rate) == ([0, 1, 2], 12.5)
    shown = capfd.readouterr()
    assert "Skipped: frames/1b.png" in shown.err
    assert shown.out == "out.webm: 3 frames predicted, 1 skipped.\n"


def test_a_folder_of_squeezed_frames_is_predicted_as_its_names_prove(weights: Path) -> None:
    for folder in ("official", "named"):
        name = "aachen_000000_000019_leftImg8bit.png" if folder == "official" else "a.png"
        write(Path(folder, name), encode(numbered(3, 32, 32)))
    assert predict(weights, "official", "--video", "official.mp4") == 0
    assert predict(weights, "named", "--video", "named.mp4", "--pixel-aspect", "2") == 0
    assert predict(weights, "named", "--video", "square.mp4") == 0
    official, named, square = (
        read_frames(Path(f"{name}.mp4"))[0][0] for name in ("official", "named", "square")
    )
    assert (official == named).all()
    assert (official != square).any()


def test_a_missing_end_is_reported_with_status_2(weights: Path, capfd: Capture) -> None:
    content = write_video(Path("in.avi"), 12).read_bytes()
    Path("in.avi").write_bytes(content[: len(content) // 2])
    assert predict(weights, "in.avi", "--video", "out.mp4") == 2
    assert "readable frames of 12: its end is missing" in capfd.readouterr().err
    assert 0 < len(read_frames(Path("out.mp4"))[0]) < 12


def test_an_interrupt_keeps_a_part_and_the_next_call_continues(
    weights: Path, capfd: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `^C` does: the signal comes while frames are predicted, read and written."""
    write_video(Path("in.avi"), 14)

    def interrupted(image, train_ids):
        if number_of(image) == 3:
            signal.raise_signal(signal.SIGINT)
        return overlay(image, train_ids)

    with monkeypatch.context() as patched:
        patched.setattr("cityseg.prediction.video.overlay", interrupted)
        assert predict(weights, "in.avi", "--video", "out.mp4") == 2
    frames, _ = read_frames(Path("out.part.mp4"))
    assert 3 <= len(frames) < 14
    assert not Path("out.mp4").exists()
    assert capfd.readouterr().out == (
        f"Stopped: out.part.mp4 has the first {len(frames)} frames. The same command continues "
        "there.\n"
    )
    predicted: list[int] = []

    def counted(predictor, image, **settings):
        predicted.append(number_of(image))
        return predict_one(predictor, image, **settings)

    predict_one = Predictor.predict
    with monkeypatch.context() as patched:
        patched.setattr(Predictor, "predict", counted)
        assert predict(weights, "in.avi", "--video", "out.mp4") == 0
    assert predicted == list(range(14 - len(predicted), 14))
    assert 0 < len(predicted) < 14
    assert sorted(each.name for each in Path().glob(".*")) == []
    assert len(read_frames(Path("out.mp4"))[0]) == 14
    assert not Path("out.part.mp4").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("none.mp4 --video out.mp4", "There is no video none.mp4: name a video file or a folder"),
        ("text.mp4 --video out.mp4", "text.mp4 is damaged or no video: fetch it again"),
        ("in.avi --video out.gif", "out.gif is no name for a video: let it end in .mp4"),
        ("text.mp4 --video text.mp4", "text.mp4 is the video itself: choose another name"),
        (
            "in.part.mp4 --video in.mp4",
            "in.part.mp4 is the video itself, which is written to while",
        ),
        ("in.avi --video out.mp4 --preview in.avi", "in.avi is the video itself, which is"),
        ("frames --video out.mp4 --preview frames/0.png", "frames/0.png would be among the pic"),
        ("in.avi text.mp4 --video out.mp4", "--video takes one video file or one folder"),
        ("- --video out.mp4", "--video takes one video file or one folder"),
        ("in.avi --video out.mp4 --out x", "--out is for pictures: leave it out"),
        ("in.avi --video out.mp4 --recursive", "--recursive is for pictures: leave it out"),
        ("in.avi --smooth 2", "--smooth is for videos: add --video FILE"),
        ("in.avi --beside", "--beside is for videos: add --video FILE"),
    ],
)
def test_impossible_calls_are_one_sentence(
    weights: Path, capfd: Capture, arguments: str, message: str
) -> None:
    Path("text.mp4").write_text("text")
    for name in ("in.avi", "in.part.mp4", "frames/0.png"):
        write(Path(name), b"never read")
    assert predict(weights, *arguments.split()) == 1
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith(f"cityseg: {message}")
    assert not Path("out.mp4").exists()
    assert Path("in.part.mp4").read_bytes() == b"never read"


@pytest.mark.parametrize("option", ["--frame-rate 0", "--frame-rate nan", "--smooth 31"])
def test_values_out_of_bounds_are_refused(option: str, capfd: Capture) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["predict", "in.avi", "--video", "out.mp4", *option.split()])
    assert ended.value.code == 1
    assert option.split()[0] in capfd.readouterr().err
