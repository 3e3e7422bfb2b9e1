"""The ONNX file of a network: equal to torch on pictures of all sizes, and usable without cityseg.

Also tests: prediction/onnx_predictor, cli/export.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from city import encode, street
from png_content import uncompressed
from torch import nn

from cityseg.arrays import Uint8Array
from cityseg.cli.main import main
from cityseg.config import make_config
from cityseg.errors import CheckpointError, CitysegError, ConfigError, ImageError, ModelError
from cityseg.export import onnx_file
from cityseg.geometry import Geometry, prediction_geometry
from cityseg.labels import CLASS_NAMES, LABEL_ID_PALETTE, TRAIN_LABELS
from cityseg.models import build_model
from cityseg.models.unet import UNet
from cityseg.prediction import OnnxPredictor, Predictor
from cityseg.runs import BOX_LICENCE, box_weights, networks, read_metadata
from cityseg.runs.checkpoints import load_weights, save_weights

ROOT = Path(__file__).parents[2]
CANVAS_HW = 32, 64
#: Halved, reduced to a quarter and by other shares, enlarged, both, upright, tiny, and as they are.
SIZES = (
    *((64, 128), (128, 256), (100, 170), (45, 80), (61, 61), (33, 65), (60, 50), (90, 300)),
    *((32, 64), (16, 32), (20, 50), (7, 9), (1, 1), (1, 40), (50, 1), (31, 63), (13, 100)),
    *((128, 64), (300, 17), (48, 64), (32, 20), (200, 250), (96, 192), (77, 154)),
)
#: Difference of the two highest probabilities below which a pixel is a tie.
TIE = 1e-3
genuine_network_graph = onnx_file._network_graph


def save_network(path: Path, **values: object) -> Path:
    """An untrained network whose batch norms do something, as after training."""
    torch.manual_seed(0)
    config = make_config({"width": 4, "size": CANVAS_HW, **values})
    model = build_model(config.model, width=config.width)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean)
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 2)
            nn.init.normal_(module.bias)
    save_weights(path, model, config, 1, {"mean_iou": 0.25})
    return path


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_network(tmp_path_factory.mktemp("weights") / "weights.safetensors")


@pytest.fixture(scope="module", autouse=True)
def exported_once() -> Iterator[None]:
    """The tests share one network and size of input, which take seconds to export."""
    with pytest.MonkeyPatch.context() as patch:
        graphs: dict[tuple[int, int], onnx.ModelProto] = {}

        def network_graph(network: nn.Module, canvas_hw: tuple[int, int], *rest) -> onnx.ModelProto:
            if isinstance(network, UNet) and canvas_hw not in graphs:
                graphs[canvas_hw] = genuine_network_graph(network, canvas_hw, *rest)
            graph = graphs.get(canvas_hw) or genuine_network_graph(network, canvas_hw, *rest)
            (copy := onnx.ModelProto()).CopyFrom(graph)
            return copy

        patch.setattr(onnx_file, "_network_graph", network_graph)
        yield


@pytest.fixture(scope="module")
def exported(weights: Path) -> Path:
    out = weights.with_suffix(".onnx")
    assert main(["export", str(weights), "--to", "onnx", "--out", str(out)]) == 0
    return out


def picture(height: int, width: int) -> Uint8Array:
    """A coloured street with noise."""
    rng = np.random.default_rng(height * 1000 + width)
    rows, columns = (np.arange(side) * of // side for side, of in ((height, 128), (width, 256)))
    colors = LABEL_ID_PALETTE[street()[rows][:, columns]]
    return (colors + rng.integers(-30, 31, colors.shape)).clip(0, 255).astype(np.uint8)


def margins(predictor: Predictor, image: Uint8Array) -> np.ndarray:
    """(H, W) difference of the two highest probabilities of each pixel, by torch."""
    with torch.inference_mode():
        logits = predictor.logits(image, prediction_geometry(predictor.checkpoint.config))
        fine = nn.functional.interpolate(logits[None], image.shape[:2], mode="bilinear")
        best = fine.softmax(1).topk(2, dim=1).values[0]
    return (best[0] - best[1]).numpy()


def check_parity(predictor: Predictor, onnx_predictor: OnnxPredictor, images: list) -> None:
    """At least 99.9 % of all pixels are equal, and the others ties."""
    pixels = differing = 0
    for image in images:
        by_torch = predictor.predict(image, with_confidence=True)
        by_onnx = onnx_predictor.predict(image, with_confidence=True)
        differs = by_torch.train_ids != by_onnx.train_ids
        assert (margins(predictor, image)[differs] < TIE).all(), image.shape
        assert by_onnx.confidence == pytest.approx(by_torch.confidence, abs=0.02)
        pixels, differing = pixels + differs.size, differing + int(differs.sum())
    assert differing <= pixels / 1000


def test_classes_and_confidence_are_those_of_torch_at_all_sizes(
    weights: Path, exported: Path
) -> None:
    predictor = Predictor.load(weights, "cpu", amp="off")
    images = [picture(*size) for size in SIZES]
    assert len(images) >= 20
    assert len({int(each) for image in images for each in predictor.predict_train_ids(image).flat})
    check_parity(predictor, OnnxPredictor(exported), images)


@pytest.mark.soak
def test_the_network_in_the_box_is_the_same_as_onnx(tmp_path: Path) -> None:
    onnx_file.export_onnx("box", tmp_path / "box.onnx")
    images = [picture(256, 512), picture(300, 400), picture(1024, 2048), picture(100, 200)]
    predictor = OnnxPredictor(tmp_path / "box.onnx")
    check_parity(Predictor.load("box", "cpu", amp="off"), predictor, images)
    about = onnx.load(tmp_path / "box.onnx").metadata_props
    assert {each.key: each.value for each in about}["licence"] == BOX_LICENCE


def placing_session(geometry: Geometry) -> onnxruntime.InferenceSession:
    """The part of the graph that places a picture, alone."""
    model = onnx_file.surroundings(geometry, geometry.size_hw)
    node = next(each for each in model.graph.node if each.op_type == "place")
    del model.graph.node[:], model.graph.output[:]
    model.graph.node.append(node)
    output = onnx.helper.make_tensor_value_info("placed", onnx.TensorProto.FLOAT, ["h", "w", 3])
    model.graph.output.append(output)
    model = onnx.inliner.inline_local_functions(model)
    return onnxruntime.InferenceSession(model.SerializeToString())


@pytest.mark.parametrize(
    "geometry",
    [
        Geometry(CANVAS_HW),
        Geometry(CANVAS_HW, "squash"),
        Geometry((50, 41), pixel_aspect=2.0),
        Geometry((50, 41), pixel_aspect=0.7),
    ],
    ids=str,
)
def test_pictures_are_placed_as_elsewhere(geometry: Geometry) -> None:
    session, differences = placing_session(geometry), []
    for size in SIZES:
        image = picture(*size)
        (placed,) = session.run(None, {"image": image})
        expected = geometry.place_picture(image)
        assert placed.shape == expected.shape
        differences.append(np.abs(placed - expected))
        assert differences[-1].max() <= 1, size
    # A mean of exactly half may be rounded to either side.
    assert (np.array(differences) > 0).mean() < 0.001


def test_halves_are_rounded_as_opencv_rounds_them() -> None:
    session = placing_session(Geometry(CANVAS_HW, "squash"))
    rng = np.random.default_rng(0)
    for times in (2, 4):
        image = rng.integers(0, 256, (32 * times, 64 * times, 3), np.uint8)
        (placed,) = session.run(None, {"image": image})
        assert (placed == Geometry(CANVAS_HW, "squash").place_picture(image)).all()


def test_the_file_says_what_it_is(weights: Path, exported: Path) -> None:
    model = onnx.load(exported)
    about = {each.key: each.value for each in model.metadata_props}
    assert [(each.domain, each.version) for each in model.opset_import if not each.domain] == [
        ("", onnx_file.OPSET)
    ]
    assert {each.domain for each in model.graph.node} == {""}
    assert not model.functions
    assert json.loads(about["classes"]) == list(CLASS_NAMES)
    assert json.loads(about["colors"])[13] == [0, 0, 142]
    assert json.loads(about["label_ids"]) == [label.id for label in TRAIN_LABELS]
    assert about["digest"] == read_metadata(weights)["digest"]
    assert (about["opset"], about["mean_iou"], about["epoch"]) == ("18", "0.25", "1")
    assert model.producer_name == "cityseg"
    (image,) = onnxruntime.InferenceSession(exported).get_inputs()
    assert (image.name, image.type, image.shape) == (
        "image",
        "tensor(uint8)",
        ["height", "width", 3],
    )


def test_a_file_for_one_size_takes_no_other(weights: Path, tmp_path: Path) -> None:
    out = tmp_path / "fixed.onnx"
    options = ["--picture", "40x90", "--pixel-aspect", "2"]
    assert main(["export", str(weights), "--to", "onnx", "--out", str(out), *options]) == 0
    session = OnnxPredictor(out)
    expected = Predictor.load(weights, "cpu", amp="off").predict(picture(40, 90), pixel_aspect=2)
    found = session.predict(picture(40, 90), pixel_aspect=2)
    assert (found.train_ids != expected.train_ids).mean() <= 0.001
    assert found.confidence is None
    with pytest.raises(ImageError, match="takes pictures of 90×40 only, and this one has 90×41"):
        session.predict(picture(41, 90), pixel_aspect=2)
    with pytest.raises(ImageError, match=r"of \(height, width, 3\) uint8: found \(40, 90\) uint8"):
        session.predict(picture(40, 90)[..., 0], pixel_aspect=2)
    with pytest.raises(ImageError, match=r"export the network, .* with --pixel-aspect 1"):
        session.predict(picture(40, 90))


def test_a_network_of_version_0_1_0_needs_the_size_of_the_pictures(tmp_path: Path) -> None:
    weights = save_network(tmp_path / "old.safetensors", fit="squash_in_training")
    with pytest.raises(ConfigError, match="name theirs with --picture HEIGHTxWIDTH"):
        onnx_file.export_onnx(weights, tmp_path / "old.onnx")
    onnx_file.export_onnx(weights, tmp_path / "old.onnx", picture_hw=(64, 128))
    predictor = Predictor.load(weights, "cpu", amp="off")
    check_parity(predictor, OnnxPredictor(tmp_path / "old.onnx"), [picture(64, 128)])


def test_what_cannot_be_exported_is_named(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnx_file, "_network_graph", genuine_network_graph)
    checkpoint = load_weights(weights)

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("no such operator")

    monkeypatch.setattr(torch.onnx, "export", fail)
    with pytest.raises(ModelError, match=r"'unet' cannot be exported to ONNX \(RuntimeError"):
        onnx_file.onnx_model(checkpoint)
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(CitysegError, match=r"onnxscript is not installed: run pip install 'citys"):
        onnx_file.onnx_model(checkpoint)


def test_files_that_are_no_networks_of_ours_are_refused(exported: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="There is no file"):
        OnnxPredictor(tmp_path / "none.onnx")
    (damaged := tmp_path / "damaged.onnx").write_bytes(exported.read_bytes()[:2000])
    with pytest.raises(CheckpointError, match="damaged or no ONNX file"):
        OnnxPredictor(damaged)
    model = onnx.load(exported)
    for key, value, refusal in (
        ("classes", '["road"]', "of other classes than the 19"),
        ("classes", "{", "another version of cityseg"),
        ("format", "mine", "was not written by cityseg"),
    ):
        next(each for each in model.metadata_props if each.key == key).value = value
        onnx.save(model, changed := tmp_path / "changed.onnx")
        with pytest.raises(CheckpointError, match=refusal):
            OnnxPredictor(changed)


def test_devices_that_are_not_there_are_refused(exported: Path) -> None:
    assert "CUDAExecutionProvider" not in onnxruntime.get_available_providers()
    with pytest.raises(ConfigError, match="does not support the device cuda:1 here"):
        OnnxPredictor(exported, "cuda:1")
    OnnxPredictor(exported, "cpu")


def test_predict_runs_onnx_files(
    weights: Path,
    exported: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.png").write_bytes(encode(picture(64, 128)))
    assert main(["predict", "a.png", "--network", str(exported), "--out", "onnx"]) == 0
    assert main(["predict", str(weights), "a.png", "--backend", "onnx", "--out", "other"]) == 0
    contents = {
        folder: uncompressed((tmp_path / folder / "trainids" / "a.png").read_bytes())
        for folder in ("onnx", "other")
    }
    assert contents["onnx"] == contents["other"]
    capfd.readouterr()
    for options, refusal in (
        (["--flip"], "have no sliding windows and no mirrored pictures"),
        (["--size", "32x64"], "The size to predict at stands in the ONNX file"),
        (["--backend", "torch"], "is an ONNX file: leave --backend out"),
    ):
        assert main(["predict", "a.png", "--network", str(exported), *options]) == 1
        assert refusal in capfd.readouterr().err


def test_export_names_what_is_missing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["export", str(tmp_path / "none"), "--to", "onnx"]) == 1
    assert "There is no network" in capfd.readouterr().err
    (folder := tmp_path / "file").write_bytes(b"")
    weights = save_network(tmp_path / "w.safetensors")
    assert main(["export", str(weights), "--to", "onnx", "--out", f"{folder}/x.onnx"]) == 1
    assert "Cannot write to" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("form", "options", "flag"),
    [
        ("onnx", ["--sliding"], "--sliding goes with --to submission"),
        ("onnx", ["--data", "x"], "--data goes with --to submission"),
        ("submission", ["--pixel-aspect", "2"], "--pixel-aspect goes with --to onnx"),
        ("submission", ["--picture", "32x64"], "--picture goes with --to onnx"),
    ],
)
def test_options_of_another_form_are_refused(
    form: str, options: list[str], flag: str, weights: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", str(weights), "--to", form, *options]) == 1
    assert flag in capfd.readouterr().err


def test_the_box_is_exported_beside_its_scores(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(networks, "_FOLDER", weights.parent)
    written: list[Path] = []
    monkeypatch.setattr(onnx_file, "export_onnx", lambda _, out, **__: written.append(out))
    assert box_weights() == weights
    assert main(["export", "box", "--to", "onnx"]) == 1  # as nothing is written here
    assert written[0].name == "network.onnx"
    assert ".box" in written[0].parts


def test_the_example_of_the_documentation_runs_without_cityseg(
    exported: Path, tmp_path: Path
) -> None:
    page = (ROOT / "docs" / "onnx.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", page, re.S)
    assert len(code.splitlines()) <= 40
    assert "import cityseg" not in code
    (script := tmp_path / "segment.py").write_text(code)
    (photo := tmp_path / "street.png").write_bytes(encode(picture(64, 128)))
    command = [sys.executable, script.name, str(exported), photo.name]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^(road|car|sky|building|\w[\w ]+) +\d+\.\d %$", done.stdout, re.M)
    from PIL import Image

    with Image.open(tmp_path / "street-classes.png") as written:
        classes = np.array(written)
        assert written.mode == "P"
    assert (classes == OnnxPredictor(exported).predict(picture(64, 128)).train_ids).all()
