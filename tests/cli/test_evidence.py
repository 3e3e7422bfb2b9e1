"""The command evidence: what it prints, where it writes, and its exit status."""

from pathlib import Path

import boxes
import pytest
import tiny_runs
from city import annotation_path

from cityseg.cli import EXIT_ALL, EXIT_NOTHING, EXIT_SOME
from cityseg.cli.main import main
from cityseg.defaults import default_runs
from cityseg.evaluation import load_evidence
from cityseg.runs import BoxRun, RunDir


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    data = tiny_runs.make_city(tmp_path_factory.mktemp("examined") / "city", 4, 2)
    return tiny_runs.trained(data, epochs=1)


def test_the_evidence_of_a_run_lies_in_its_folder(
    run: RunDir, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):  # the second time it is only shown
        assert main(["evidence", str(run.path), "--device", "cpu"]) == EXIT_ALL
        (folder,) = (run.path / "evidence").iterdir()
        evidence = load_evidence(folder)
        printed = capsys.readouterr().out
        assert f"Mean IoU                         {evidence.scores().mean_iou:.4f}" in printed
        assert "Worst 10% of the frames" in printed
        assert printed.endswith(f"2 frames: {folder}\n")


def test_a_frame_that_is_left_out_shows_in_the_exit_status(run: RunDir, tmp_path: Path) -> None:
    data = tiny_runs.make_city(tmp_path / "city", 0, 2)
    annotation_path(data, "tiny_000000_000001", "val").write_bytes(b"broken")
    command = ["evidence", str(run.best), "--device", "cpu", "--no-pictures"]
    assert main([*command, "--data", str(data), "--out", str(tmp_path / "out")]) == EXIT_SOME
    (folder,) = (tmp_path / "out").iterdir()
    assert not (folder / "pictures").exists()


def test_the_evidence_of_the_box_lies_beside_its_scores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    boxes.fill_box(tmp_path / "box", monkeypatch)
    monkeypatch.chdir(tmp_path)
    data = tiny_runs.make_city(tmp_path / "city", 0, 1)
    for command in ("evaluate", "evidence"):
        assert main([command, "box", "--device", "cpu", "--data", str(data)]) == EXIT_ALL
    box = BoxRun.below(default_runs())
    assert box.scores_file("val").is_file()
    assert load_evidence(next(box.evidence.iterdir())).store.names


def test_the_evidence_of_a_weights_file_lies_beside_it(run: RunDir, tmp_path: Path) -> None:
    weights = tmp_path / "mine.safetensors"
    weights.write_bytes(run.best.read_bytes())
    data = tiny_runs.make_city(tmp_path / "city", 0, 1)
    assert main(["evidence", str(weights), "--device", "cpu", "--data", str(data)]) == EXIT_ALL
    assert load_evidence(next((tmp_path / "mine-evidence").iterdir())).store.names


def test_a_folder_that_cannot_be_written_is_named_before_the_work(
    run: RunDir, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    out = str(tmp_path / "file" / "out")
    assert main(["evidence", str(run.path), "--out", out]) == EXIT_NOTHING
    assert str(tmp_path / "file") in capsys.readouterr().err


def test_a_corruption_is_named_with_its_scores(
    run: RunDir, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["evidence", str(run.path), "--device", "cpu", "--out", str(tmp_path / "out")]
    assert main([*command, "--corrupt", "fog:3"]) == EXIT_ALL
    assert capsys.readouterr().out.startswith("Pictures made worse: fog:3\nMean IoU ")


def test_several_corruptions_are_a_table_beside_the_frames_as_they_are(
    run: RunDir, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    command = ["evidence", str(run.path), "--device", "cpu", "--no-pictures", "--out", str(out)]
    corruptions = ["--corrupt", "noise:5", "--corrupt", "brightness:4,brightness:5,noise:5"]
    assert main([*command, *corruptions]) == EXIT_ALL
    header, *rows, last = capsys.readouterr().out.splitlines()
    assert header.split() == ["IoU", "clean", "noise", "brightness", "mPC", "rPC"]
    found = {
        load_evidence(folder).about.corruption: load_evidence(folder) for folder in out.iterdir()
    }
    assert found.keys() == {"", "noise:5", "brightness:4", "brightness:5"}
    iou = {name: each.scores().mean_iou for name, each in found.items()}
    brightness = (iou["brightness:4"] + iou["brightness:5"]) / 2
    mpc = (iou["noise:5"] + brightness) / 2
    expected = [iou[""], iou["noise:5"], brightness, mpc, mpc / iou[""]]
    assert rows[-1].split() == ["mean", *(f"{value:.4f}" for value in expected)]
    assert last == f"2 frames, 3 corruptions: {out}"


def test_a_corruption_that_does_not_exist_is_named(
    run: RunDir, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["evidence", str(run.path), "--corrupt", "snow:3"])
    assert ended.value.code == EXIT_NOTHING
    assert "There is no corruption 'snow': choose one of noise" in capsys.readouterr().err
