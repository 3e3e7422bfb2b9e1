"""Archives for the evaluation server: written whole, and refused for what it would refuse."""

import io
import os
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import city
import numpy as np
import pytest
import tiny_runs
from cityscapesscripts.evaluation import evalPixelLevelSemanticLabeling as official  # noqa: N813
from PIL import Image

from cityseg.cli.main import main
from cityseg.data import read_image
from cityseg.errors import CitysegError, DatasetError, ImageError, ScoreError
from cityseg.export import check_submission, expected_sizes, submission, write_submission
from cityseg.labels import LABEL_ID_OF_TRAIN_ID
from cityseg.prediction import Predictor
from cityseg.wording import readable_size

STEMS = [f"berlin_00000{number}_000019" for number in range(3)]
HEIGHT, WIDTH = 24, 40

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_runs.write_weights(tmp_path_factory.mktemp("weights"))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Three test frames without annotations."""
    root = tmp_path / "data"
    for number, stem in enumerate(STEMS):
        pixels = np.random.default_rng(number).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
        city.write(city.image_path(root, stem, "test"), city.encode(pixels))
    return root


def zipped(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def label_ids(value: int = 7, size: tuple[int, int] = (HEIGHT, WIDTH)) -> bytes:
    return city.encode(np.full(size, value, np.uint8))


def good() -> dict[str, bytes]:
    return {f"{stem}_labelIds.png": label_ids() for stem in STEMS}


def test_every_test_frame_is_predicted_at_full_size(
    weights: Path, data: Path, tmp_path: Path, capfd: Capture
) -> None:
    out = tmp_path / "out" / "submission.zip"
    arguments = ["export", str(weights), "--to", "submission", "--data", str(data)]
    assert main([*arguments, "--out", str(out)]) == 0
    assert (
        f"{out}: 3 frames, {readable_size(out.stat().st_size)}, no problems."
        in capfd.readouterr().out
    )
    predictor = Predictor.load(weights)
    with zipfile.ZipFile(out) as archive:
        assert archive.namelist() == [f"{stem}_labelIds.png" for stem in STEMS]
        for stem in STEMS:
            with Image.open(io.BytesIO(archive.read(f"{stem}_labelIds.png"))) as picture:
                assert picture.mode == "L"
                written = np.array(picture)
            image = read_image(city.image_path(data, stem, "test"))
            assert (written == LABEL_ID_OF_TRAIN_ID[predictor.predict_train_ids(image)]).all()


def test_the_official_evaluator_finds_every_prediction(tmp_path: Path) -> None:
    with zipfile.ZipFile(zipped(tmp_path / "s.zip", good())) as archive:
        archive.extractall(tmp_path / "found")
    arguments = official.CArgs()
    arguments.predictionPath, arguments.predictionWalk = str(tmp_path / "found"), None
    for stem in STEMS:
        found = official.getPrediction(arguments, f"{stem}_gtFine_labelIds.png")
        assert Path(found).name == f"{stem}_labelIds.png"


def test_the_default_place_is_beside_the_network(weights: Path, data: Path) -> None:
    assert main(["export", str(weights), "--to", "submission", "--data", str(data)]) == 0
    assert (weights.parent / "weights-submission.zip").exists()


def test_a_broken_picture_leaves_the_file_as_it_was(
    weights: Path, data: Path, tmp_path: Path
) -> None:
    (out := tmp_path / "s.zip").write_bytes(b"before")
    image = city.image_path(data, STEMS[2], "test")
    whole = image.read_bytes()
    predictor = Predictor.load(weights, "cpu")
    for content, error in ((whole[:20], DatasetError), (whole[:-40], ImageError)):
        image.write_bytes(content)
        with pytest.raises(error, match=re.escape(str(image))):
            write_submission(predictor, data, out)
        assert out.read_bytes() == b"before"
        assert {path.name for path in tmp_path.iterdir()} == {"data", "s.zip"}


def changed(change: Callable[[dict[str, bytes]], object]) -> dict[str, bytes]:
    files = good()
    change(files)
    return files


FIRST = f"{STEMS[0]}_labelIds.png"


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        (changed(lambda f: f.pop(FIRST)), f"1 of 3 frames are missing: {STEMS[0]}*.png."),
        ({}, f"Predictions of 3 of 3 frames are missing: {STEMS[0]}*.png"),
        (
            changed(lambda f: f.update({f"more/{STEMS[0]}.png": label_ids()})),
            f"Frames with several predictions: {STEMS[0]}*.png.",
        ),
        (
            changed(lambda f: f.update({f"{STEMS[0]}.PNG": f.pop(FIRST)})),
            f"The server looks for names that end in .png, not {STEMS[0]}.PNG.",
        ),
        (
            changed(lambda f: f.update({"ulm_000000_000019_x.png": label_ids()})),
            "PNG files that belong to no test frame: ulm_000000_000019_x.png.",
        ),
        (
            changed(lambda f: f.update({FIRST: label_ids(size=(12, 20))})),
            f"{FIRST} has 20×12 pixels, and its picture {WIDTH}×{HEIGHT}.",
        ),
        (
            changed(lambda f: f.update({FIRST: city.encode(np.zeros((HEIGHT, WIDTH, 3), "u1"))})),
            f"{FIRST} is no 8-bit PNG of one channel, but RGB.",
        ),
        (
            changed(lambda f: f.update({FIRST: city.encode(np.zeros((HEIGHT, WIDTH), "u2"))})),
            f"{FIRST} is no 8-bit PNG of one channel, but I;16.",
        ),
        (changed(lambda f: f.update({FIRST: b"no picture"})), f"{FIRST} cannot be read"),
        (changed(lambda f: f.update({FIRST: label_ids()[:60]})), f"{FIRST} cannot be read"),
        (changed(lambda f: f.update({FIRST: label_ids(255)})), "Values 255 are no label ids"),
        (changed(lambda f: f.update(dict.fromkeys(f, label_ids(0)))), "look like train ids"),
    ],
)
def test_what_the_server_refuses_is_named(
    files: dict[str, bytes], problem: str, data: Path, tmp_path: Path, capfd: Capture
) -> None:
    path = zipped(tmp_path / "s.zip", files)
    check = check_submission(path, expected_sizes(data))
    assert any(problem in each for each in check.problems), check.problems
    assert main(["score", "--check", str(path), "--data", str(data)]) == 1
    said = capfd.readouterr()
    assert problem in said.err
    assert f"{path}: 1 problem; the server would refuse it." in said.err
    assert said.out == ""


def test_a_good_archive_of_somebody_else_passes(data: Path, tmp_path: Path, capfd: Capture) -> None:
    palette = Image.fromarray(np.full((HEIGHT, WIDTH), 8, np.uint8)).convert("P")
    files = {f"results/berlin/{stem} (1).png": city.encode(palette) for stem in STEMS}
    beside = {"readme.txt": b"of mine", "__MACOSX/._berlin_000000_000019.png": b"of macOS"}
    path = zipped(tmp_path / "s.zip", {**files, **beside})
    assert main(["score", "--check", str(path), "--data", str(data)]) == 0
    said = capfd.readouterr()
    assert said.out == f"{path}: 3 frames, {readable_size(path.stat().st_size)}, no problems.\n"
    assert said.err == (
        "The dataset has 3 test frames, and the server expects 1525: it takes those of Cityscapes "
        "only.\n"
    )


def test_without_test_frames_number_and_size_are_the_official_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submission, "OFFICIAL_FRAMES", 3)
    monkeypatch.setattr(submission, "OFFICIAL_HW", (HEIGHT, WIDTH))
    files = good()
    assert check_submission(zipped(tmp_path / "s.zip", files)).problems == []
    files.pop(FIRST)
    assert check_submission(zipped(tmp_path / "s.zip", files)).problems == [
        "There are predictions of 2 frames, and the test split has 3."
    ]
    files["ulm_000000_000019.png"] = label_ids(size=(3, 3))
    (problem,) = check_submission(zipped(tmp_path / "s.zip", files)).problems
    assert "has 3×3 pixels" in problem


def test_zips_with_damage_inside_are_refused_in_a_sentence(data: Path, tmp_path: Path) -> None:
    path = tmp_path / "s.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(FIRST, bytes(5000))
    whole = path.read_bytes()
    start = whole.index(FIRST.encode()) + len(FIRST)
    path.write_bytes(whole[:start] + b"\xff" * 8 + whole[start + 8 :])
    assert any(f"{FIRST} cannot be read" in each for each in check_submission(path).problems)
    # The flag for a name in UTF-8, and another name.
    central = whole.rindex(b"PK\x01\x02")
    odd = bytearray(whole)
    odd[central + 9] |= 8
    odd[central + 46] = 0xFF
    path.write_bytes(odd)
    with pytest.raises(ScoreError, match="cannot be read as a zip"):
        check_submission(path)


def test_pictures_that_a_camera_turned_are_predicted_as_they_are_stored(
    weights: Path, data: Path, tmp_path: Path
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    for stem in STEMS:
        path = city.image_path(data, stem, "test")
        content = city.encode(city.decode(path.read_bytes()), "JPEG", exif=exif.tobytes())
        path.unlink()
        city.write(path.with_suffix(".jpg"), content)
    check = write_submission(Predictor.load(weights, "cpu"), data, tmp_path / "s.zip")
    assert not any("pixels, and its picture" in each for each in check.problems)


def test_bad_input_is_refused_in_a_sentence(
    data: Path, weights: Path, tmp_path: Path, capfd: Capture
) -> None:
    (path := tmp_path / "s.zip").write_bytes(b"PK no zip")
    with pytest.raises(ScoreError, match="cannot be read as a zip"):
        check_submission(path)
    os.mkfifo(pipe := tmp_path / "pipe.zip")
    with pytest.raises(ScoreError, match="It is a pipe or a device"):
        check_submission(pipe)
    with pytest.raises(CitysegError, match="it is a folder; name a file in it"):
        write_submission(Predictor.load(weights, "cpu"), data, tmp_path)
    with pytest.raises(ScoreError, match="is a folder, and the server takes a zip: zip its PNG"):
        check_submission(tmp_path)
    with pytest.raises(ScoreError, match=r"There is no archive .*none: check the path"):
        check_submission(tmp_path / "none")
    with pytest.raises(DatasetError, match="There is no folder"):
        expected_sizes(tmp_path / "none")
    for arguments in (["--check", str(path), "--gt", "x"], ["--pred", "x"], []):
        assert main(["score", *arguments]) == 1
        assert "needs --pred and --gt, or --check alone" in capfd.readouterr().err
    city.write(city.image_path(data / "other", "ulm_000000_000019", "val"), label_ids())
    with pytest.raises(DatasetError, match="no frames in the split test"):
        expected_sizes(data / "other")
