"""`predict`: pictures named in every way, the network named in either form, what is left out."""

import io
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from city import encode, write
from png_content import uncompressed

from cityseg.cli.main import main
from cityseg.config import make_config
from cityseg.models import registry
from cityseg.runs.checkpoints import save_weights

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "weights.safetensors"
    config = make_config({"width": 4, "size": (16, 32)})
    save_weights(path, registry.build_model("unet", width=4), config, 1, {})
    return path


@pytest.fixture
def street(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with pictures and other files in `street`."""
    monkeypatch.chdir(tmp_path)
    for name in ("a.png", "b.tif", "deep/c.bmp"):
        write(Path("street", name), picture(Path(name).suffix))
    write(Path("street", "notes.txt"), b"text")
    return Path("street")


def picture(suffix: str = ".png") -> bytes:
    kind = {".png": "PNG", ".tif": "TIFF", ".bmp": "BMP"}[suffix]
    return encode(np.full((8, 16, 3), 90, np.uint8), kind)


def predicted(folder: str = "predictions") -> list[str]:
    return sorted(path.stem for path in Path(folder, "labelids").glob("*"))


def test_a_folder_is_predicted_into_the_default_folder(
    street: Path, weights: Path, capfd: Capture
) -> None:
    assert main(["predict", "street", "--network", str(weights)]) == 0
    assert predicted() == ["a", "b"]
    assert capfd.readouterr().out == "predictions: 2 pictures predicted, 0 skipped.\n"


def test_what_is_left_out_is_named(
    street: Path, weights: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    main(["predict", "street", "--network", str(weights)])
    assert "Left out in street: 1 folder, 1 .txt." in caplog.messages


def test_a_second_call_does_not_predict_the_results_of_the_first(
    street: Path, weights: Path
) -> None:
    for _ in range(2):
        assert main(["predict", ".", "--recursive", "--network", str(weights)]) == 0
        assert predicted() == ["a", "b", "c"]
    arguments = ["predict", "street", "--recursive", "--network", str(weights), "--out", "street"]
    for _ in range(2):
        assert main(arguments) == 0
        assert sorted(path.stem for path in Path("street", "color").iterdir()) == ["a", "b", "c"]


def test_patterns_in_quotes_are_read(street: Path, weights: Path) -> None:
    assert main(["predict", "street/*.tif", "--network", str(weights), "--out", "out"]) == 0
    assert predicted("out") == ["b"]


def test_a_picture_on_standard_input_is_predicted(
    street: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(picture())))
    assert main(["predict", "-", "--network", str(weights)]) == 0
    assert predicted() == ["standard-input"]


def test_the_older_form_has_the_network_first(street: Path, weights: Path) -> None:
    assert main(["predict", str(weights), "street/a.png", "--out", "out"]) == 0
    assert predicted("out") == ["a"]


def test_the_older_form_takes_box_for_the_network_that_ships(
    street: Path, weights: Path, capfd: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cityseg.runs.networks._FOLDER", weights.parent)
    assert main(["predict", "box", "street/a.png"]) == 0
    assert predicted() == ["a"]
    assert main(["predict", "box"]) == 1
    assert "box is a network: name pictures, too" in capfd.readouterr().err
    write(Path("box", "d.png"), picture())
    assert main(["predict", "./box", "--out", "out"]) == 0
    assert predicted("out") == ["d"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{weights}"], "weights.safetensors is a network: name pictures, too"),
        (["street", "--network", "none.pt"], "none.pt"),
        (
            ["street", "{weights}"],
            "weights.safetensors is a network, and stands where pictures are",
        ),
        (["street", "net.onnx", "--network", "{weights}"], "write --network net.onnx"),
    ],
)
def test_a_missing_network_or_picture_is_an_error(
    street: Path, weights: Path, capfd: Capture, arguments: list[str], message: str
) -> None:
    arguments = [argument.format(weights=weights) for argument in arguments]
    assert main(["predict", *arguments]) == 1
    assert message in capfd.readouterr().err
    assert not Path("predictions").exists()


def test_names_without_a_picture_end_with_2_beside_others_and_with_1_alone(
    street: Path, weights: Path, caplog: pytest.LogCaptureFixture, capfd: Capture
) -> None:
    network = ["--network", str(weights)]
    assert main(["predict", "https://example.org/a.png", "none/*.png", *network]) == 1
    assert not Path("predictions").exists()
    assert [message.partition(" ")[0] for message in caplog.messages] == ["Skipped:"] * 2
    assert main(["predict", "https://example.org/a.png", "street/a.png", *network]) == 2
    assert predicted() == ["a"]
    assert capfd.readouterr().out == "predictions: 1 picture predicted, 1 skipped.\n"


def test_no_folder_stays_behind_where_nothing_was_predicted(street: Path, weights: Path) -> None:
    assert main(["predict", "street/notes.txt", "--network", str(weights)]) == 1
    assert not Path("predictions").exists()


def test_no_folder_stays_behind_on_a_full_disk(
    street: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("kept").mkdir()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr("cityseg.prediction.files.replacing", full)
    for folder in ("kept", "new/deep"):
        arguments = ["predict", "street/a.png", "--network", str(weights), "--out", folder]
        assert main(arguments) == 1
    assert list(Path("kept").iterdir()) == []
    assert not Path("new", "deep").exists()


def test_size_and_pixels_can_be_named(street: Path, weights: Path, capfd: Capture) -> None:
    name = "aachen_000000_000019_leftImg8bit.png"
    path = write(Path(name), encode(np.random.default_rng(0).integers(0, 256, (32, 32, 3), "u1")))
    outputs = {}
    for options in ("", "--pixel-aspect 2", "--pixel-aspect 1", "--size 32x64"):
        call = ["predict", str(path), "--network", str(weights), "--out", "out", *options.split()]
        assert main(call) == 0
        path_of_mask = next(Path("out/trainids").glob("aachen*"))
        outputs[options] = uncompressed(path_of_mask.read_bytes())
    assert outputs[""] == outputs["--pixel-aspect 2"]  # proven by the name
    assert len(set(outputs.values())) == 3
    capfd.readouterr()


@pytest.mark.parametrize(
    ("options", "refusal"),
    [
        (["--size", "1x2"], "'1x2' is no size. Write HEIGHTxWIDTH, each from 16 to 4096"),
        (["--size", "large"], "'large' is no size. Write HEIGHTxWIDTH"),
        (["--pixel-aspect", "0"], "0 is not between 0.125 and 8"),
        (["--pixel-aspect", "nan"], "nan is not between 0.125 and 8"),
        (["--pixel-aspect", "wide"], "invalid pixel_aspect value: 'wide'"),
    ],
)
def test_impossible_sizes_and_pixels_are_refused(
    options: list[str], refusal: str, capfd: Capture
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["predict", "a.png", *options])
    assert ended.value.code == 1
    assert refusal in capfd.readouterr().err


def test_without_a_network_the_one_in_the_box_predicts(
    street: Path, weights: Path, capfd: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cityseg.runs.networks._FOLDER", weights.parent)
    assert main(["predict", "street/a.png"]) == 0
    assert predicted() == ["a"]
    assert (
        "Network: Street network (in the box), for non-commercial use only."
        in capfd.readouterr().out
    )
