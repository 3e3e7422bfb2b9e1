"""`clean` lists what can go, removes it with --yes, and says in its status whether it did."""

import os
import shutil
import time
from pathlib import Path

import city
import pytest
from tiny_runs import make_city

from cityseg.cli.main import main
from cityseg.jobs import leftovers


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return make_city(tmp_path / "data", 1, 1)


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    folder = tmp_path / "runs"
    folder.mkdir()
    return folder


def leftover(folder: Path, name: str = ".a_mask.png.1-0a1b2c3d.part", hours: float = 2) -> Path:
    """A temporary file of 3 MB whose writer was killed."""
    path, then = city.write(folder / name, b"x" * 3_000_000), time.time() - hours * 3600
    os.utime(path, (then, then))
    return path


def test_leftovers_are_listed_and_stay(
    data: Path, runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, fresh = leftover(data), leftover(runs / "a-run", hours=0.1)
    assert main(["clean", str(data), "--runs", str(runs)]) == 0
    printed = capsys.readouterr().out
    assert f"3.0 MB  {path}: The writing of this file was killed." in printed
    assert f"3.0 MB  {fresh}: it was written to within the last hour." in printed
    assert printed.endswith("3.0 MB can be removed. Add --yes to do it.\n")
    assert path.exists()


def test_yes_removes_them(data: Path, runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    paths = [leftover(data), leftover(data / "masks" / "train" / "tiny")]
    fresh = leftover(data, ".b.1-0a1b2c3d.part", hours=0.1)
    assert main(["clean", str(data), "--runs", str(runs), "--yes"]) == 0
    assert capsys.readouterr().out.endswith("Removed 6.0 MB.\n")
    assert [path.exists() for path in (*paths, fresh)] == [False, False, True]


def test_nothing_to_remove_is_said(
    data: Path, runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["clean", str(data), "--runs", str(runs), "--yes"]) == 0
    assert capsys.readouterr().out == f"There is nothing to remove in {data} and {runs}.\n"


@pytest.mark.parametrize(("refused", "status"), [(1, 2), (2, 1)])
def test_what_cannot_be_removed_is_said_and_makes_the_status(
    data: Path,
    runs: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    refused: int,
    status: int,
) -> None:
    paths = [leftover(data, f".{number}.1-0a1b2c3d.part") for number in range(2)]
    remove = leftovers._remove

    def refuse(path: Path) -> None:
        if path in paths[:refused]:
            raise PermissionError(13, "Permission denied")
        remove(path)

    monkeypatch.setattr(leftovers, "_remove", refuse)
    assert main(["clean", str(data), "--runs", str(runs), "--yes"]) == status
    said = capsys.readouterr().err
    assert said.count("cannot be removed (Permission denied): check its permissions") == refused


def test_a_folder_that_is_missing_is_said_and_the_other_one_searched(
    data: Path, runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    leftover(data)
    runs.rmdir()
    assert main(["clean", str(data), "--runs", str(runs)]) == 0
    printed = capsys.readouterr()
    assert printed.err == f"cityseg: There is no folder {runs}, so only {data} is searched\n"
    assert "3.0 MB can be removed" in printed.out


def test_other_folders_of_results_are_searched(
    data: Path,
    runs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    of_default, named = leftover(tmp_path / "predictions"), leftover(tmp_path / "named" / "tokyo")
    command = ["clean", str(data), "--runs", str(runs)]
    assert main(command) == 0
    assert str(of_default.relative_to(tmp_path)) in capsys.readouterr().out
    assert main([*command, "--yes", "--out", str(named.parents[1])]) == 0
    assert (of_default.exists(), named.exists()) == (True, False)
    assert main([*command, "--out", str(tmp_path / "nowhere")]) == 1
    assert f"There is no folder {tmp_path / 'nowhere'}" in capsys.readouterr().err


def test_without_any_folder_nothing_is_done(
    data: Path, runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs.rmdir()
    shutil.rmtree(data)
    assert main(["clean", str(data), "--runs", str(runs)]) == 1
    assert capsys.readouterr().err == (
        f"cityseg: There is neither {data} nor {runs}: name a dataset, or runs with --runs\n"
    )
