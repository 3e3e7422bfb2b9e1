"""Picture files to prediction files: their content, their names, and errors."""

import io
import os
import re
import threading
from pathlib import Path

import city
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from tiny_runs import files_limited_to

from cityseg.cli.main import main
from cityseg.config import make_config
from cityseg.data import png
from cityseg.data.dataset import find_frames
from cityseg.data.images import read_image
from cityseg.errors import CitysegError, Skipped
from cityseg.labels import TRAIN_LABELS
from cityseg.models import build_model
from cityseg.prediction.files import (
    check_outputs,
    output_paths,
    plan_names,
    predict_all,
    write_prediction,
)
from cityseg.prediction.predictor import Prediction, Predictor
from cityseg.runs.checkpoints import save_weights

KINDS = ("trainids", "labelids", "color", "overlay")
LATIN_1 = os.fsdecode(b"caf\xe9")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "weights.safetensors"
    save_weights(
        path, build_model("unet", width=4), make_config({"width": 4, "size": (32, 64)}), 1, {}
    )
    return path


@pytest.fixture(scope="module")
def predictor(weights: Path) -> Predictor:
    return Predictor.load(weights, "cpu")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def write_picture(path: Path, seed: int = 0, size_hw=(20, 40)) -> Path:
    pixels = np.random.default_rng(seed).integers(0, 256, (*size_hw, 3), np.uint8)
    return city.write(path, city.encode(pixels))


def names_in(folder: Path) -> list[str]:
    files = (path for path in folder.rglob("*") if not path.is_dir())
    return sorted(path.relative_to(folder).as_posix() for path in files)


def names_of(*names: str) -> list[str]:
    return sorted(f"{kind}/{name}.png" for name in names for kind in KINDS)


# --- content -------------------------------------------------------------------------


def opened(path: Path) -> Image.Image:
    return Image.open(io.BytesIO(path.read_bytes()))


@pytest.fixture
def written(tmp_path: Path) -> dict[str, Image.Image]:
    """The four files of a grey picture in which every class has a pixel, road first."""
    image = np.full((1, 19, 3), 100, np.uint8)
    prediction = Prediction(np.arange(19, dtype=np.uint8)[None])
    paths = write_prediction(tmp_path, "name", image, prediction)
    assert paths == [tmp_path / kind / "name.png" for kind in KINDS]
    return {kind: opened(path) for kind, path in zip(KINDS, paths, strict=True)}


def test_train_ids_are_grey(written):
    assert written["trainids"].mode == "L"
    assert np.array_equal(np.array(written["trainids"]), [np.arange(19)])


def test_label_ids_are_grey_and_official(written):
    assert written["labelids"].mode == "L"
    official = [7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33]
    assert np.array_equal(np.array(written["labelids"]), [official])


def test_colours_are_official(written):
    colors = np.array(written["color"].convert("RGB"))
    assert np.array_equal(colors, [[label.color for label in TRAIN_LABELS]])
    assert colors[0, 0].tolist() == [128, 64, 128], "road is a class like the others"


def test_the_overlay_is_halfway_between_picture_and_colours(written):
    overlay = np.array(written["overlay"]).astype(float)
    assert written["overlay"].mode == "RGB"
    colors = np.array([[label.color for label in TRAIN_LABELS]])
    assert np.abs(overlay - (100 + colors) / 2).max() <= 0.5


@settings(max_examples=60)
@given(st.integers(0, 2**32), st.integers(1, 50), st.integers(1, 50))
def test_files_of_any_size_read_back(tmp_path_factory, seed, height, width):
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 128, (height, width, 3), np.uint8) * 2
    train_ids = rng.integers(0, 19, (height, width), np.uint8)
    folder = tmp_path_factory.mktemp("out")
    grey, _, color, overlay = write_prediction(folder, "x", image, Prediction(train_ids))
    assert np.array_equal(png.decode_grey(grey.read_bytes()), train_ids)
    colors = np.array([label.color for label in TRAIN_LABELS])[train_ids]
    assert np.array_equal(np.array(opened(color).convert("RGB")), colors)
    assert np.abs(np.array(opened(overlay)) - (image / 2 + colors / 2)).max() <= 0.5


def test_every_file_passes_pillow_and_our_own_check(written, tmp_path):
    for path in output_paths(tmp_path, "name"):
        opened(path).verify()
        assert png.find_damage(path.read_bytes()) is None
        assert read_image(path).shape == (1, 19, 3)


@pytest.mark.parametrize(
    "name",
    ["../../evil", "/etc/passwd", "..", "", "a\0b", "a/../../b", ".", "é" * 200, "x" * 10_000],
)
def test_no_name_leads_out_of_the_folder(tmp_path, name):
    folder = tmp_path / "deep" / "folder"
    folder.mkdir(parents=True)
    prediction = Prediction(np.zeros((1, 1), np.uint8))
    paths = write_prediction(folder, name, np.zeros((1, 1, 3), np.uint8), prediction)
    assert names_in(folder) == sorted(path.relative_to(folder).as_posix() for path in paths)
    assert len(names_in(tmp_path)) == 4


# --- many files ------------------------------------------------------------------------------


def test_every_picture_gets_four_files(predictor, tmp_path, out):
    images = [write_picture(tmp_path / f"{n}.png", n, (10 + n, 30)) for n in range(12)]
    report = predict_all(predictor, images, out)
    assert names_in(out) == names_of(*map(str, range(12)))
    assert report.skipped == {}
    assert list(report.written) == images
    for number, image in enumerate(images):
        assert report.written[image] == output_paths(out, str(number))
        expected = predictor.predict(read_image(image)).train_ids
        assert np.array_equal(np.array(opened(out / "trainids" / f"{number}.png")), expected)


def test_genuine_frames_are_predicted(predictor, genuine, out):
    images = [frame.image for frame in find_frames(genuine)[:2]]
    report = predict_all(predictor, images, out)
    assert list(report.written) == images
    for image in images:
        files = {kind: read_image(out / kind / f"{image.stem}.png") for kind in KINDS}
        assert {pixels.shape for pixels in files.values()} == {(1024, 2048, 3)}
        expected = predictor.predict_train_ids(read_image(image))
        assert np.array_equal(files["trainids"][..., 0], expected)
        half = read_image(image) / 2 + files["color"] / 2
        assert np.abs(files["overlay"] - half).max() <= 0.5


def test_sliding_and_flip_are_passed_on(tmp_path, out):
    torch.manual_seed(0)
    config = make_config({"width": 4, "size": (32, 64), "crop": (16, 16)})
    save_weights(tmp_path / "w.safetensors", build_model("unet", width=4), config, 1, {})
    predictor = Predictor.load(tmp_path / "w.safetensors", "cpu")
    image = write_picture(tmp_path / "a.png", size_hw=(64, 128))
    results = set()
    for sliding in (False, True):
        for flip in (False, True):
            report = predict_all(predictor, [image], out, sliding=sliding, flip=flip)
            train_ids = np.array(opened(report.written[image][0]))
            expected = predictor.predict(read_image(image), sliding=sliding, flip=flip).train_ids
            assert np.array_equal(train_ids, expected)
            results.add(train_ids.tobytes())
    assert len(results) == 4


def test_progress_counts_every_picture(predictor, tmp_path, out):
    images = [write_picture(tmp_path / f"{n}.png") for n in range(3)] + [tmp_path / "missing.png"]
    seen = []
    predict_all(predictor, images, out, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_an_empty_list_of_pictures_is_accepted(predictor, out):
    report = predict_all(predictor, [], out)
    assert (report.written, report.skipped) == ({}, {})


def test_a_picture_given_twice_is_predicted_once(predictor, tmp_path, out):
    image = write_picture(tmp_path / "a.png")
    report = predict_all(predictor, [image, image], out)
    assert list(report.written) == [image]
    assert names_in(out) == names_of("a")


def test_no_threads_are_left_behind(predictor, tmp_path, out):
    before = threading.active_count()
    predict_all(predictor, [write_picture(tmp_path / "a.png")], out)
    assert threading.active_count() == before


# --- errors -------------------------------------------------------------------------


def test_bad_pictures_are_reported_and_the_rest_continues(predictor, tmp_path, out):
    bad = {
        "empty.png": b"",
        "text.jpg": b"text",
        "short.png": write_picture(tmp_path / "whole.png").read_bytes()[:-20],
        "bomb.png": city.grey_png(60_000, 60_000, city.chunk(b"IDAT", b"")),
    }
    for name, content in bad.items():
        city.write(tmp_path / name, content)
    good = [write_picture(tmp_path / f"{n}.png") for n in range(2)]
    failing = [*(tmp_path / name for name in bad), tmp_path / "missing.png", tmp_path]
    report = predict_all(predictor, [good[0], *failing, good[1]], out)
    assert list(report.written) == good
    assert list(report.skipped) == failing
    for path, skipped in report.skipped.items():
        assert str(path) in skipped.detail
    assert names_in(out) == names_of("0", "1")


def test_a_picture_that_fails_in_the_network_is_reported_and_the_rest_continues(
    weights, tmp_path, out
):
    class Failing(Predictor):
        def predict(self, image, **options):
            if len(image) == 7:
                raise CitysegError("no memory")
            return super().predict(image, **options)

    images = [write_picture(tmp_path / f"{n}.png", size_hw=(6 + n, 9)) for n in range(3)]
    report = predict_all(Failing.load(weights, "cpu"), images, out)
    detail = f"Cannot predict {images[1]}: no memory"
    assert report.skipped == {images[1]: Skipped("CitysegError", detail)}
    assert names_in(out) == names_of("0", "2")


def test_a_file_that_cannot_be_written_is_reported_and_leaves_no_part(predictor, tmp_path, out):
    small = write_picture(tmp_path / "small.png", size_hw=(4, 8))
    large = write_picture(tmp_path / "large.png", size_hw=(64, 128))
    with files_limited_to(3000):
        report = predict_all(predictor, [large, small], out)
    assert list(report.written) == [small]
    assert report.skipped[large].reason == "unwritable"
    assert report.skipped[large].detail.startswith(
        f"Cannot write the prediction for large to {out} (File too large)"
    )
    assert set(names_of("small")) <= set(names_in(out)) < set(names_of("small", "large"))
    for path in out.glob("*/*"):
        assert png.find_damage(path.read_bytes()) is None


@pytest.mark.parametrize("out", ["file", "file/below", "folder"])
def test_outputs_that_cannot_be_written_are_refused_before_the_work(
    weights, monkeypatch, capfd, tmp_path, out
):
    """`folder` has a file in place of one of the four folders."""
    city.write(tmp_path / "file", b"")
    city.write(tmp_path / "folder" / "color", b"")
    image = write_picture(tmp_path / "a.png")
    expected = (
        rf"^Cannot write to {tmp_path / out}.*: Not a directory at .*; choose another folder$"
    )
    with pytest.raises(CitysegError, match=expected):
        check_outputs(tmp_path / out)
    monkeypatch.setattr(Predictor, "load", lambda *_: pytest.fail("it loaded the network"))
    assert (
        main(["predict", str(image), "--out", str(tmp_path / out), "--network", str(weights)]) == 1
    )
    assert re.search(expected[1:-1], capfd.readouterr().err)


def test_a_broken_checkpoint_is_an_error_and_creates_no_folder(capfd, tmp_path, out):
    broken = city.write(tmp_path / "w.safetensors", b"broken")
    image = write_picture(tmp_path / "a.png")
    assert main(["predict", str(image), "--network", str(broken), "--out", str(out)]) == 1
    assert "is damaged or not a safetensors file" in capfd.readouterr().err
    assert not out.exists()


# --- names -----------------------------------------------------------------------------------


def test_pictures_of_one_name_do_not_replace_each_other(predictor, tmp_path, out):
    images = [tmp_path / name for name in ("a/x.png", "b/x.png", "b/x.jpg", "x-2.png", "c/x.png")]
    for number, image in enumerate(images):
        write_picture(image, number, (5 + number, 9))
    report = predict_all(predictor, images, out)
    names = ["x", "x-2", "x-3", "x-2-2", "x-4"]
    assert names_in(out) == names_of(*names)
    for number, (image, name) in enumerate(zip(images, names, strict=True)):
        assert report.written[image] == output_paths(out, name)
        assert opened(out / "overlay" / f"{name}.png").size == (9, 5 + number)


def test_names_depend_on_the_list_alone(tmp_path, out):
    images = [tmp_path / folder / "x.png" for folder in "abc"]
    names = plan_names(images, out)
    for path in output_paths(tmp_path, "x"):
        city.write(path)
    assert plan_names(images, out) == names


def test_a_thousand_pictures_of_one_name_have_a_thousand_names(tmp_path, out):
    images = [tmp_path / str(number) / "frame.png" for number in range(1000)]
    assert len(set(plan_names(images, out).values())) == 1000


@pytest.mark.parametrize("stem", ["x" * 250, "é" * 120, LATIN_1 * 50])
def test_long_names_are_cut_and_stay_apart(predictor, tmp_path, out, stem):
    images = [write_picture(tmp_path / folder / f"{stem}.png") for folder in "abc"]
    report = predict_all(predictor, images, out)
    assert list(report.written) == images
    assert len(names_in(out)) == 12


def test_a_name_that_is_not_utf_8_survives(predictor, tmp_path, out):
    image = write_picture(tmp_path / f"{LATIN_1}.png")
    predict_all(predictor, [image], out)
    for kind in KINDS:
        assert os.listdir(os.fsencode(out / kind)) == [b"caf\xe9.png"]


@pytest.mark.parametrize("through_link", [False, True])
def test_pictures_are_never_replaced(predictor, tmp_path, through_link):
    folder = tmp_path / "folder"
    names = ["x.png", "overlay/x.png", "color/x-2.png", "trainids/x.png"]
    images = [write_picture(folder / name, number) for number, name in enumerate(names)]
    contents = [image.read_bytes() for image in images]
    if through_link:
        (tmp_path / "link").symlink_to(folder)
        for number, image in enumerate(images):
            (tmp_path / str(number)).symlink_to(image)
        images = [folder / "x.png", *(tmp_path / str(number) for number in range(1, 4))]
    report = predict_all(predictor, images, tmp_path / "link" if through_link else folder)
    assert report.skipped == {}
    assert [(folder / name).read_bytes() for name in names] == contents
    assert report.written[images[0]][0].name == "x-3.png"


def test_a_link_among_the_pictures_is_not_replaced_either(predictor, tmp_path, out):
    target = write_picture(tmp_path / "target.png")
    first = write_picture(tmp_path / "x.png")
    (out / "color").mkdir(parents=True)
    link = out / "color" / "x.png"
    link.symlink_to(target)
    report = predict_all(predictor, [first, link], out)
    assert len(report.written) == 2
    assert link.is_symlink()


def test_a_picture_in_a_linked_folder_is_not_replaced(predictor, tmp_path, out):
    image = write_picture(tmp_path / "pictures" / "x.png")
    content = image.read_bytes()
    out.mkdir()
    (out / "color").symlink_to(image.parent)
    assert predict_all(predictor, [image], out).skipped == {}
    assert image.read_bytes() == content
    assert names_in(image.parent) == ["x-2.png", "x.png"]


def test_a_second_run_replaces_the_files_of_the_first(predictor, tmp_path, out):
    image = write_picture(tmp_path / "x.png", 0)
    predict_all(predictor, [image], out)
    before = (out / "overlay" / "x.png").read_bytes()
    write_picture(image, 1)
    predict_all(predictor, [image], out)
    assert names_in(out) == names_of("x")
    assert (out / "overlay" / "x.png").read_bytes() != before
