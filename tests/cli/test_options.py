"""A state dict of another program as the network of a command, with what it does not say itself."""

import json
from pathlib import Path

import city
import numpy as np
import pytest
import tiny_runs
import torch
import torchvision
from PIL import Image
from reviews import flag

from cityseg.cli.main import main
from cityseg.data import find_frames
from cityseg.evaluation import find_evidence, frame_sums, load_evidence
from cityseg.evaluation.checkpoint import evaluate
from cityseg.evaluation.evidence_files import picture_paths
from cityseg.labels import CLASS_NAMES
from cityseg.metrics import boundary_iou, sampled_scores
from cityseg.runs import ForeignNetwork

MODEL = "lraspp_mobilenet_v3_large"
DESCRIBED = ["--model", MODEL, "--classes", "voc", "--size", "32x64", "--device", "cpu"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset, and voc.pth, which calls every pixel a car, and streets.pth of the 19 classes."""
    folder = tmp_path_factory.mktemp("foreign")
    tiny_runs.make_city(folder / "city", train=0, val=1)
    torch.manual_seed(0)
    for name, classes in (("voc", 21), ("streets", 19)):
        network = torchvision.models.get_model(
            MODEL, weights=None, weights_backbone=None, num_classes=classes
        )
        state = network.state_dict()
        state["classifier.low_classifier.bias"][7] = 1e3
        torch.save(state, folder / f"{name}.pth")
    return folder


def test_scores_of_classes_that_a_network_does_not_have_are_null(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network, out = ["--network", str(folder / "voc.pth"), *DESCRIBED], tmp_path / "scores.json"
    std = ["--std", "0.2,0.2,0.2"]
    command = ["evaluate", *network, *std, "--data", str(folder / "city"), "--out", str(out)]
    assert main(command) == 0
    scores = json.loads(out.read_text())
    car, all_others = scores["class_iou"].pop("car"), scores["class_iou"]
    assert 0 < car < 1  # every other evaluated pixel is wrongly a car
    assert set(all_others.values()) == {None}
    assert (scores["mean_iou"], scores["pixel_accuracy"]) == (car, 1)
    assert set(scores["category_iou"].values()) == {None}
    assert scores["size"] == [32, 64]
    expected = {"model": MODEL, "classes": "voc", "mean": None, "std": [0.2, 0.2, 0.2]}
    assert scores["network"] == expected
    printed = capsys.readouterr().out
    assert f"car           {car:8.4f}" in printed
    assert "road                 –" in printed


def test_a_review_changes_the_scores_of_the_classes_that_a_network_has(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, out = folder / "city", tmp_path / "scores.json"
    (frame,) = find_frames(data, ["val"])
    assert frame.label_ids
    label_ids = city.decode(frame.label_ids.read_bytes())
    ledger = flag(tmp_path / "ledger.jsonl", frame, label_ids == city.ROAD)
    command = ["evaluate", str(folder / "voc.pth"), *DESCRIBED, "--data", str(data)]
    assert main([*command, "--out", str(out), "--review", str(ledger)]) == 0
    review = json.loads(out.read_text())["review"]
    cars, roads = (int((label_ids == each).sum()) for each in (city.CAR, city.ROAD))
    evaluated = int((label_ids != city.EGO_VEHICLE).sum())
    iou = pytest.approx(cars / (evaluated - roads))
    assert review["class_iou"] == dict.fromkeys(CLASS_NAMES) | {"car": iou}
    assert (review["mean_iou"], review["pixel_accuracy"]) == (iou, 1)
    assert (review["wrong_pixels"], review["wrong_in_regions"]) == (evaluated - cars, roads)
    assert f"mean IoU {review['mean_iou']:.4f} instead of" in capsys.readouterr().out


def test_a_state_dict_of_the_19_classes_is_predicted_and_examined(
    folder: Path, tmp_path: Path
) -> None:
    network = ["--network", str(folder / "streets.pth"), "--model", MODEL, "--size", "32x64"]
    picture = tmp_path / "picture.png"
    Image.fromarray(np.zeros((20, 40, 3), np.uint8)).save(picture)
    assert main(["predict", str(picture), *network, "--out", str(tmp_path / "out")]) == 0
    found = np.asarray(Image.open(tmp_path / "out/trainids/picture.png"))
    assert set(found.flat) == {7}
    evidence = ["evidence", *network, "--data", str(folder / "city"), "--no-pictures", "--out"]
    keys = set()
    for more in ([], ["--mean", "0.4,0.4,0.4"]):
        assert main([*evidence, str(tmp_path / "evidence"), *more]) == 0
        keys = {path.parent.name for path in tmp_path.glob("evidence/*/evidence.json")}
    assert len(keys) == 2  # another normalisation is another network


def test_evidence_has_no_scores_of_classes_that_a_network_does_not_have(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, out = folder / "city", tmp_path / "evidence"
    command = ["evidence", str(folder / "voc.pth"), *DESCRIBED, "--data", str(data)]
    assert main([*command, "--out", str(out), "--corrupt", "fog:1,fog:2"]) == 0
    rows = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines()[1:-1])
    assert rows["road"].split() == ["–"] * 4
    assert rows["car"].split() == rows["mean"].split() != ["–"] * 4
    ((clean, about),) = find_evidence(out, "val")
    assert set(about.classes) == {"person", "car", "bus", "train", "motorcycle", "bicycle"}
    evidence = load_evidence(clean)
    foreign = ForeignNetwork(folder / "voc.pth", MODEL, "voc")
    expected = evaluate(foreign, data, size_hw=(32, 64), device="cpu").scores
    assert evidence.scores().to_json() == expected.to_json()
    car = expected.class_iou["car"]
    assert evidence.frame_scores.mean_iou.tolist() == [car]
    assert evidence.frame_scores.pixel_accuracy.tolist() == [1]
    whole = sampled_scores(frame_sums(evidence), repeats=2).whole
    assert whole.overall["mean_iou"].item() == pytest.approx(car)
    others = [name != "car" for name in CLASS_NAMES]
    for name, scores in whole.by_class.items():
        assert np.isnan(scores[0, others]).all(), name
    assert np.isnan(boundary_iou(evidence.boundary())[others]).all()
    assert set(
        np.unique(city.decode(picture_paths(clean, evidence.store.names[0])[0].read_bytes()))
    ) == {13}
    assert main([*command, "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert f"Mean IoU                         {car:.4f}  (95 % interval {car:.4f}–" in printed
    assert main(["audit", str(data), "--evidence", str(out), "--out", str(tmp_path / "x")]) == 1
    assert "lacks 13 classes, such as road: use that of a network" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (["evaluate", "voc.pth", *DESCRIBED, "--review", "x"], "There is no review ledger x"),
        (["evaluate", "voc.pth", "--model", MODEL, "--at-training-size"], "leave --at-training-s"),
        (["evaluate", "voc.pth", "--classes", "voc"], "name its model with --model"),
        (["evidence", "voc.pth"], "add --model NAME, such as deeplabv3_resnet50"),
        (["evaluate", "box", "--model", "unet"], "The network in the box names its model: leave"),
        (["predict", "a.png", "--network", "voc.pth", "--std", "1,1,1"], "--std goes with the st"),
        (
            [
                "predict",
                "city",
                "--recursive",
                "--network",
                "voc.pth",
                *DESCRIBED,
                "--backend",
                "onnx",
            ],
            "State dicts are predicted with PyTorch: leave --backend out",
        ),
    ],
)
def test_what_a_state_dict_does_not_allow_is_refused(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: list[str],
    expected: str,
) -> None:
    monkeypatch.chdir(folder)
    data = [] if command[0] == "predict" else ["--data", "city"]
    assert main([*command, *data]) == 1
    assert expected in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (["evaluate"], "One of the arguments NETWORK --network is required"),
        (["evaluate", "a", "--network", "b"], "not allowed with argument"),
        (["evaluate", "a", "--model", "unet", "--std", "0,1,1"], "0,1,1 has a value that is not"),
        (["evaluate", "a", "--model", "unet", "--mean", "0.5"], "invalid R,G,B value: '0.5'"),
    ],
)
def test_options_of_a_state_dict_are_checked(
    capsys: pytest.CaptureFixture[str], command: list[str], expected: str
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(command)
    assert caught.value.code == 1
    assert expected in capsys.readouterr().err
