"""The command line: statuses, one-sentence errors, light start, and all commands in a row.

Also tests: cli/evaluate, cli/import_zips, cli/options, cli/output, cli/predict, cli/sample,
cli/score, cli/train.
"""

import json
import logging
import os
import resource
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import forks
import numpy as np
import pytest
from city import annotation_path, image_path, street, write_frame
from PIL import Image
from tiny_runs import content_of

from cityseg.cli.main import COMMANDS, main
from cityseg.data.report import REPORT
from cityseg.labels import CLASS_NAMES
from cityseg.runs.folder import RunDir
from cityseg.runs.weights import own_dataset

HEAVY = {"torch", "torchvision", "streamlit", "plotly", "wandb", "segmentation_models_pytorch"}


def run(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "cityseg", *map(str, arguments)],
        capture_output=True,
        text=True,
        errors="surrogateescape",
        env=os.environ | environment,
        check=False,
    )


def modules_after(code: str) -> set[str]:
    """Top-level modules loaded after running `code` in a fresh process."""
    code += "\nimport sys; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


@pytest.fixture
def city(tmp_path: Path) -> Path:
    """Three good frames in train and val."""
    root = tmp_path / "city"
    for split in ("train", "val"):
        for number in range(3):
            write_frame(root, f"town_000000_00000{number}", split)
    return root


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main([command, "--help"])
    assert capsys.readouterr().out.startswith(f"usage: python -m cityseg {command}")


@pytest.mark.parametrize(
    "code",
    [
        "import cityseg",
        "from cityseg.cli.main import main\ntry: main(['train', '--help'])\n"
        "except SystemExit: pass",
        "from cityseg.cli.main import main\nmain(['convert', {city!r}])",
        "from cityseg.cli.main import main\nmain(['audit', {city!r}])",
        "from cityseg.cli.main import main\nmain(['jobs', 'list', '--runs', {city!r}])",
        "from cityseg.cli.main import main\nmain(['clean', {city!r}])",
    ],
    ids=["package", "help of train", "convert", "audit", "jobs", "clean"],
)
def test_light_things_stay_light(code: str, city: Path) -> None:
    assert not modules_after(code.replace("{city!r}", repr(str(city)))) & HEAVY


def test_a_conversion_in_a_terminal_loads_no_jobs(city: Path) -> None:
    code = f"from cityseg.cli.main import main\nmain(['convert', {str(city)!r}])"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules, sep='\\n')"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert not {"cityseg.jobs", "cityseg.config"} & set(done.stdout.splitlines())


def test_listing_the_commands_loads_next_to_nothing() -> None:
    code = "from cityseg.cli.main import main\ntry: main(['--help'])\nexcept SystemExit: pass"
    assert not modules_after(code) & (HEAVY | {"cv2", "numpy", "pydantic", "tqdm"})


def test_listing_runs_needs_no_image_library(tmp_path: Path) -> None:
    code = f"from cityseg.cli.main import main\nmain(['jobs', 'list', '--runs', {str(tmp_path)!r}])"
    assert "cv2" not in modules_after(code)


def test_convert_ends_with_0_when_all_is_done(city: Path) -> None:
    done = run("convert", city)
    assert (done.returncode, done.stderr) == (0, "")
    verdict, counts = done.stdout.splitlines()
    assert verdict.startswith("Encoding: label ids. 6 annotations examined; values 1, 7, 8, 11, ")
    assert counts == "6 frames: 6 converted (0 of them before), 0 skipped."


def test_convert_ends_with_2_when_some_are_skipped(city: Path) -> None:
    annotation_path(city, "town_000000_000001").write_bytes(b"")
    done = run("convert", city)
    assert done.returncode == 2
    assert "1 empty_file" in done.stdout
    assert "Skipped train/town/town_000000_000001" in done.stderr


def test_convert_ends_with_1_when_nothing_is_done(city: Path) -> None:
    for path in city.glob("gtFine/*/*/*"):
        path.write_bytes(b"")
    assert run("convert", city).returncode == 1


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["convert", "/no/such/folder"], "There is no folder /no/such/folder"),
        (["train", "--data", "{city}", "--runs", "{runs}", "--batch-size", "0"], "batch_size"),
        (["train", "--runs", "{runs}", "--size", "big"], "HEIGHTxWIDTH"),
        (["train", "--resume", "{city}"], "is no run"),
        (
            ["train", "--resume", "{city}", "--width", "3"],
            "leave --width out. Only --data, --masks,",
        ),
        (["evaluate", "{runs}/none.safetensors", "--data", "{city}"], "There is no checkpoint"),
        (
            ["predict", "x.png", "--network", "{city}", "--out", "{runs}"],
            "city is no run, as it has no config.json",
        ),
        (["score", "--pred", "{city}/none", "--gt", "{city}/gtFine/val"], "There is no folder"),
        (["import", "{city}/none.zip", "--data", "{city}"], "none.zip"),
        (
            ["convert", "{city}", "--splits", "tran"],
            "There is no split 'tran': choose from train, train_extra, val, test",
        ),
        (["convert", "{city}", "--max-images", "0"], "0 is below 1"),
        (["convert", "{city}", "--fast"], "Unknown arguments: --fast; see python -m cityseg conv"),
        (["convert", "{city}", "{city}"], "Unknown arguments: {city}; see python -m cityseg conv"),
        (["--fast", "convert"], "Unknown arguments: --fast; see python -m cityseg --help"),
        (["dance"], "invalid choice: 'dance'"),
        ([], "required: COMMAND"),
    ],
)
def test_errors_are_one_sentence_on_stderr_and_end_with_1(
    arguments: list[str],
    expected: str,
    city: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    places = {"city": str(city), "runs": str(tmp_path / "runs")}
    try:
        status: object = main([argument.format(**places) for argument in arguments])
    except SystemExit as ended:
        status = ended.code
    said = capfd.readouterr()
    assert (status, said.out) == (1, "")
    assert expected.format(**places) in said.err
    assert said.err.startswith("cityseg: ")
    assert said.err.count("\n") == 1


def test_import_ends_with_2_and_one_sentence_if_files_of_cityscapes_were_left(
    tmp_path: Path,
) -> None:
    path, data = tmp_path / "x.zip", tmp_path / "data"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("leftImg8bit/val/ulm/ulm_000000_000019_leftImg8bit.png", b"content")
        for number in range(30):
            archive.writestr(f"images/ulm_{number:06}_000019_leftImg8bit.png", b"content")
    done = run("import", path, "--data", data)
    assert done.returncode == 2
    assert done.stdout == (f"{data}: 1 file unpacked, 0 already there, 0 not needed, 30 left.\n")
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith(f"{path}: 30 files were left, such as 'images/ulm_000000_")


def test_the_dataset_comes_from_the_environment(city: Path) -> None:
    assert run("convert", CITYSCAPES_DATASET=str(city)).returncode == 0
    assert (city / "masks" / REPORT).exists()


def test_names_that_are_not_utf8_are_printed(city: Path) -> None:
    odd = os.fsdecode(b"town_000000_\xff00009")
    write_frame(city, odd)
    annotation_path(city, odd).write_bytes(b"")
    done = run("convert", city)
    assert done.returncode == 2
    assert "\\udcff00009" in done.stderr


def test_output_into_a_closed_pipe_ends_quietly(city: Path) -> None:
    command = f"{sys.executable} -m cityseg convert {city} | true"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)  # noqa: S602
    assert done.stderr == ""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, RunDir]:
    """A converted city with pictures that show their labels, and a run trained on it."""
    root = tmp_path_factory.mktemp("trained")
    city, runs = root / "city", root / "runs"
    for split, count in (("train", 6), ("val", 3)):
        for number in range(count):
            stem = f"town_000000_00000{number}"
            label_ids = street(64, 128, seed=number)
            write_frame(city, stem, split, label_ids=label_ids)
            shades = np.repeat(label_ids[..., None] * 7, 3, 2)
            Image.fromarray(shades).save(image_path(city, stem, split))
            instances = np.where(label_ids == 26, 26001, label_ids).astype(np.uint16)
            Image.fromarray(instances).save(annotation_path(city, stem, split, "instanceIds.png"))
    assert main(["convert", str(city)]) == 0
    arguments = ["train", "--data", str(city), "--runs", str(runs), "--size", "64x128"]
    settings = ["--width=4", "--epochs=3", "--batch-size=2", "--learning-rate=.01", "--device=cpu"]
    assert main([*arguments, *settings]) == 0
    (path,) = runs.glob("*-*")
    return city, RunDir(path)


def test_train_writes_a_summary_that_says_done(trained: tuple[Path, RunDir]) -> None:
    _, run_dir = trained
    assert json.loads(run_dir.summary_file.read_text())["status"] == "done"
    assert run_dir.config().epochs == 3
    assert run_dir.best.exists()


def test_evaluate_writes_scores_and_counts_beside_the_run(trained: tuple[Path, RunDir]) -> None:
    city, run_dir = trained
    assert main(["evaluate", str(run_dir.path), "--data", str(city)]) == 0
    scores = json.loads((run_dir.path / "scores-val.json").read_text())
    assert scores["frames"] == 3
    assert list(scores["class_iou"]) == list(CLASS_NAMES)
    assert scores["instance_iou"]["car"] is not None
    assert scores["class_iou"]["truck"] is None
    assert (run_dir.path / "scores-val.npz").exists()


def test_evaluate_takes_the_dataset_of_the_run_and_says_which_scores_it_replaces(
    trained: tuple[Path, RunDir],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    city, run_dir = trained
    other = tmp_path / "other"
    shutil.copytree(city, other)
    monkeypatch.setenv("CITYSCAPES_DATASET", str(other))
    scores = run_dir.scores_file("val")
    scores.unlink(missing_ok=True)
    for data, replaced in ([], ""), (["--data", str(other)], str(city)), ([], str(other)):
        caplog.clear()
        with caplog.at_level(logging.WARNING, "cityseg"):
            assert main(["evaluate", str(run_dir.path), *data]) == 0
        expected = data[1] if data else str(city)
        assert json.loads(scores.read_text())["data"] == expected
        said = f"{scores} has the scores on {replaced}: they are replaced by those on {expected}."
        assert (said in caplog.text) == bool(replaced)
    for weights in run_dir.best, run_dir.path:
        assert own_dataset(weights) == city
    damaged = tmp_path / "damaged"
    shutil.copytree(run_dir.path, damaged)
    (damaged / "config.json").write_text("null")
    assert own_dataset(damaged) == city
    city.rename(tmp_path / "gone")
    try:
        assert main(["evaluate", str(run_dir.path), "--out", str(tmp_path / "s.json")]) == 0
        assert f"{city}, on which the network was trained, is gone: {other} is used" in caplog.text
    finally:
        (tmp_path / "gone").rename(city)


def test_scoring_written_predictions_gives_what_evaluate_gives(
    trained: tuple[Path, RunDir], tmp_path: Path
) -> None:
    city, run_dir = trained
    out, scores = tmp_path / "predicted", tmp_path / "scores.json"
    pictures = sorted(map(str, (city / "leftImg8bit" / "val").glob("*/*.png")))
    assert main(["predict", str(run_dir.path), *pictures, "--out", str(out)]) == 0
    arguments = ["score", "--gt", str(city / "gtFine" / "val"), "--out", str(scores)]
    assert main([*arguments, "--pred", str(out / "labelids"), "--encoding", "labelids"]) == 0
    assert main(["evaluate", str(run_dir.path), "--data", str(city)]) == 0
    scored, evaluated = (
        json.loads(path.read_text()) for path in (scores, run_dir.path / "scores-val.json")
    )
    for name in ("confusion", "class_iou", "category_iou", "instance_iou", "pixel_accuracy"):
        assert scored[name] == evaluated[name]


def test_scores_that_do_not_fit_on_the_disk_are_printed_all_the_same(
    trained: tuple[Path, RunDir], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    city, run_dir = trained
    out = tmp_path / "scores.json"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        status = main(["evaluate", str(run_dir.path), "--data", str(city), "--out", str(out)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    said = capsys.readouterr()
    assert status == 1
    assert "Pixel accuracy" in said.out
    assert "Written to" not in said.out
    assert said.err.splitlines()[-1] == (
        f"cityseg: {out.with_suffix('.npz')} cannot be read or written (File too large): check "
        "permissions and free space"
    )
    assert list(tmp_path.iterdir()) == []


def test_predict_ends_with_2_when_a_picture_is_broken(
    trained: tuple[Path, RunDir], tmp_path: Path
) -> None:
    city, run_dir = trained
    good = next((city / "leftImg8bit" / "val").glob("*/*.png"))
    (broken := tmp_path / "broken.png").write_bytes(good.read_bytes()[:100])
    arguments = ["predict", run_dir.path, good, broken, "--out", tmp_path / "out"]
    done = forks.run_module(forks.TRAINING, "cityseg", *arguments)
    assert done.returncode == 2
    assert str(broken) in done.stderr


@pytest.mark.parametrize("command", [["train", "--resume"], ["jobs", "resume"]])
def test_a_run_that_is_done_is_not_resumed_and_stays_as_it_is(
    trained: tuple[Path, RunDir], command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    _, run_dir = trained
    before = content_of(run_dir.path)
    assert main([*command, str(run_dir.path)]) == 0
    assert capsys.readouterr().out == (
        f"{run_dir.path} is done after 3 epochs, and stays as it is: to train it longer, resume it "
        "with a larger number of epochs.\n"
    )
    assert content_of(run_dir.path) == before
