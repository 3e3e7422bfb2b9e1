"""Datasets and networks as objects: arrays, torch, what they show, and errors.

Also tests: notebook/network, notebook/torch_dataset, notebook/html.
"""

import ast
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import boxes
import city
import forks
import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader

import cityseg
from cityseg.data import read_image
from cityseg.errors import CheckpointError, ConfigError, DatasetError, MaskError
from cityseg.labels import TRAIN_ID_OF_LABEL_ID
from cityseg.metrics import Scores
from cityseg.models.inputs import as_pixels, normalise
from cityseg.notebook import Dataset, Evaluated, Network, Predicted, html
from cityseg.prediction import Predictor, overlay

NOTEBOOK = Path(__file__).parents[2] / "docs" / "notebook.ipynb"
STEM = "town_000000_000001"


def shown(value: Any) -> str:
    """What a notebook shows of an object."""
    text: str = value._repr_html_()
    return text


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    root = tmp_path_factory.mktemp("notebook") / "a <b>city"
    for split, count in (("train", 3), ("val", 2)):
        for number in range(count):
            stem = f"town_000000_{number:06}"
            city.write_frame(root, stem, split, label_ids=city.street(64, 128, seed=number))
    city.write(city.image_path(root, STEM, "test"), city.encode(np.full((64, 128, 3), 90, "u1")))
    return cityseg.Dataset(root)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return boxes.stand_in(tmp_path_factory.mktemp("weights"))


def test_importing_the_package_loads_nothing() -> None:
    code = "import cityseg, sys; print([m for m in sys.modules if m.startswith('cityseg.')])"
    code += "\nprint(cityseg.Dataset.__name__, 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\nDataset False\n"
    with pytest.raises(AttributeError, match="no attribute 'dataset'"):
        _ = cityseg.dataset
    assert {"Dataset", "Network"} <= set(dir(cityseg))


def test_a_split_is_a_sequence_of_frames_with_arrays(data: Dataset) -> None:
    assert list(data) == ["train", "val", "test"]
    assert (len(data), len(data["train"]), len(data["train"][1:])) == (3, 3, 2)
    frame = data["train"][1]
    assert frame.name == f"train/town/{STEM}"
    assert frame.image().shape == (64, 128, 3)
    assert (frame.label_ids() == city.street(64, 128, seed=1)).all()
    assert (frame.train_ids() == TRAIN_ID_OF_LABEL_ID[frame.label_ids()]).all()
    assert (frame.overlay() == overlay(frame.image(), frame.train_ids())).all()
    assert [each.name for each in data["val"]] == [data["val"][i].name for i in range(2)]


def test_what_is_missing_is_named(data: Dataset, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no split 'vall': choose from train, val, test"):
        data["vall"]
    with pytest.raises(DatasetError, match="test/town/town_000000_000001 has no annotation"):
        data["test"][0].train_ids()
    with pytest.raises(DatasetError, match="There is no folder"):
        cityseg.Dataset(tmp_path / "none")
    with pytest.raises(ConfigError, match="epochs"):
        data.train(epochs=0, runs=tmp_path / "runs")
    assert not (tmp_path / "runs").exists()
    with pytest.raises(CheckpointError, match="is no run"):
        cityseg.Network(tmp_path)


def test_frames_are_batches_for_torch(data: Dataset) -> None:
    placed = data["train"].torch(size_hw=(32, 48))
    images, masks = next(iter(DataLoader(placed, batch_size=3)))
    assert (images.shape, images.dtype) == ((3, 3, 32, 48), torch.float32)
    assert (masks.shape, masks.dtype) == ((3, 32, 48), torch.int64)
    nn.CrossEntropyLoss(ignore_index=255)(torch.zeros(3, 19, 32, 48), masks)
    image, mask = data["train"].torch()[1]
    frame = data["train"][1]
    assert (mask.numpy() == frame.train_ids()).all()
    assert torch.equal(image, normalise(as_pixels(torch.from_numpy(frame.image())[None]))[0])


def test_an_annotation_of_another_size_is_refused_as_in_a_conversion(tmp_path: Path) -> None:
    city.write_frame(tmp_path, STEM, label_ids=city.street(64, 128))
    city.write(city.image_path(tmp_path, STEM), city.encode(np.full((32, 64, 3), 90, "u1")))
    frame = cityseg.Dataset(tmp_path)["train"][0]
    for use in (frame.overlay, lambda: cityseg.Dataset(tmp_path)["train"].torch()[0]):
        with pytest.raises(MaskError, match="has 128×64 pixels, its image 64×32: use both at one"):
            use()


def test_a_class_of_few_pixels_has_a_share_above_zero() -> None:
    train_ids = np.zeros((50, 50), np.uint8)
    train_ids[0, 0] = 11
    assert re.findall(r"(road|person) ([^ ]+%)", html.legend(train_ids)) == [
        ("road", "100.0%"),
        ("person", "&lt;0.1%"),
    ]


def test_a_network_predicts_arrays_and_files(data: Dataset, weights: Path, tmp_path: Path) -> None:
    network = cityseg.Network(weights, device="cpu")
    image = data["val"][0].image()
    found = network.predict(image, flip=True)
    expected = Predictor.load(weights, "cpu").predict(image, flip=True)
    assert (found.train_ids == expected.train_ids).all()
    Image.fromarray(image).save(path := tmp_path / "street.png")
    assert (network.predict(path).train_ids == network.predict(read_image(path)).train_ids).all()
    squeezed = shutil.copy(path, tmp_path / "aachen_000000_000019_leftImg8bit.png")
    whole = network.predict(image, pixel_aspect=1.0).train_ids
    assert (network.predict(squeezed).train_ids == whole).all()  # of 2:1, as Cityscapes' frames
    Image.fromarray(image[:, :64]).save(squeezed)
    expected = network.predict(image[:, :64], pixel_aspect=2.0)
    assert (network.predict(squeezed).train_ids == expected.train_ids).all()
    assert (found.overlay() == overlay(image, found.train_ids)).all()
    assert re.fullmatch(r"Predicted\(128×64 pixels, mean confidence 0\.\d\d\)", repr(found))


def test_a_network_is_scored(data: Dataset, weights: Path) -> None:
    result = cityseg.Network(weights, device="cpu").evaluate(data)
    assert result.frames == 2
    assert re.match(r"Evaluated\(mean IoU \d+\.\d%, pixel accuracy \d", repr(result))
    assert "<td>road</td>" in shown(result)
    without = Evaluated(Scores(np.zeros((34, 34), np.int64)), 0, ["x: <b>broken</b>"])
    assert "<td>road</td><td>–</td><td>–</td>" in shown(without)
    assert "x: &lt;b&gt;broken&lt;/b&gt;" in shown(without)


def test_objects_show_themselves_with_names_escaped(data: Dataset, weights: Path) -> None:
    assert "a &lt;b&gt;city" in shown(data)
    assert "<b>city" not in shown(data)
    assert "<tr><td>val</td><td>2</td><td>2</td><td>2</td><td>0</td></tr>" in shown(data)
    assert repr(data).endswith("a <b>city': 3 train, 2 val, 1 test)")
    assert shown(data["train"]).count("<img ") == 3
    assert repr(data["train"]) == "Split('train': 3 frames)"
    assert "sky" in shown(data["train"][0])
    assert shown(data["test"][0]).count("<img ") == 1
    network = Network(weights)
    assert "<td>unet</td>" in shown(network)
    assert "<td>50.0%</td>" in shown(network)
    assert repr(network).endswith("street.safetensors': unet)")
    ids = np.array([[0, 0, 0, 13]], np.uint8)
    predicted = Predicted(np.zeros((1, 4, 3), np.uint8), ids, np.ones((1, 4), np.float16))
    assert re.search(r"road 75\.0%.*car 25\.0%", shown(predicted))


def test_large_pictures_are_reduced_in_a_notebook() -> None:
    text = html.picture(np.zeros((1000, 2000, 3), np.uint8), '"x"')
    assert 'alt="&quot;x&quot;"' in text
    assert len(text) < 10_000


def test_the_notebook_of_the_documentation_runs(tmp_path: Path) -> None:
    cells = json.loads(NOTEBOOK.read_text())["cells"]
    sources = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    process = forks.fork(
        forks.TRAINING, f"import os; os.chdir({str(tmp_path)!r})\n{as_script(sources)}"
    )
    assert process.wait() == 0, process.errors.read_text()
    output = process.output.read_text()
    assert "torch.Size([4, 3, 64, 128]) torch.Size([4, 64, 128])" in output
    assert "(128, 256) float16" in output
    for text in ("<td>train</td><td>8</td>", "<td>Epoch</td><td>", "<td>road</td>", "Predicted"):
        assert text in output


def as_script(sources: list[str]) -> str:
    """The cells, each of which ends by printing what a notebook would show of its last value."""
    lines = []
    for source in sources:
        tree = ast.parse(source)
        if isinstance(last := tree.body[-1], ast.Expr):
            show = f"_shown = ({ast.unparse(last)})\n"
            show += "if hasattr(_shown, '_repr_html_'): print(_shown._repr_html_())"
            tree.body[-1:] = ast.parse(show).body
        lines.append(ast.unparse(tree))
    return "\n".join(lines)
