"""A conversion in shards, one of them killed: the same files as in one run, byte for byte."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import city
import pytest
import tiny_runs

from cityseg.cli.main import main
from cityseg.data.mask_shards import convert_shard, merge_masks
from cityseg.data.masks import convert, plan_conversion
from cityseg.data.report import REPORT
from cityseg.data.shards import Shard
from cityseg.errors import DatasetError

SHARD = """
import os, signal, sys
from pathlib import Path
from cityseg.data import Shard, convert_shard, plan_conversion

def die(done, total):
    if done == int(sys.argv[4]):
        os.kill(os.getpid(), signal.SIGKILL)

plan = plan_conversion(Path(sys.argv[1]), Path(sys.argv[2]))
convert_shard(plan, Shard.parse(sys.argv[3]), workers=1, progress=die)
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Frames of two splits: some are damaged, some have unknown names, one is almost void."""
    folder = tmp_path_factory.mktemp("shards") / "data"
    for number in range(14):
        split = "val" if number % 4 == 0 else "train"
        city.write_frame(folder, f"ulm_0_{number:02}", split, label_ids=city.street(seed=number))
    city.annotation_path(folder, "ulm_0_01").write_bytes(b"damaged")
    void = city.encode(0 * city.street())
    city.annotation_path(folder, "ulm_0_02").write_bytes(void)
    for number, name in ((5, "Weg"), (6, "Auto"), (7, "Baum")):
        stem = f"ulm_0_{number:02}"
        city.annotation_path(folder, stem).unlink()
        square = {"label": name, "polygon": [[0, 0], [9, 0], [9, 10], [0, 10]]}
        path = city.annotation_path(folder, stem, kind="polygons.json")
        city.write(path, city.polygons_file(square))
    return folder


def files_of(masks: Path) -> dict[str, bytes]:
    """All files below `masks`, wherever the masks lie beside their dataset."""
    content = tiny_runs.content_of(masks)
    report = json.loads(content[REPORT])
    return content | {REPORT: json.dumps({**report, "dataset": ""}).encode()}


@pytest.fixture(scope="module")
def whole(root: Path) -> dict[str, bytes]:
    """The files of a conversion in one run."""
    masks = root.parent / "whole"
    convert(root, masks)
    return files_of(masks)


def start(root: Path, masks: Path, shard: str, last: int) -> "subprocess.Popen[bytes]":
    """Begin a shard in a process, killed after `last` frames."""
    command = [sys.executable, "-c", SHARD, str(root), str(masks), shard, str(last)]
    return subprocess.Popen(command)


def test_three_processes_and_a_kill_give_the_files_of_one_run(
    root: Path, whole: dict[str, bytes], tmp_path: Path
) -> None:
    processes = [start(root, tmp_path, f"{n}/3", 3 if n == 2 else 0) for n in (1, 2, 3)]
    assert [process.wait() for process in processes] == [0, -signal.SIGKILL, 0]
    plan = plan_conversion(root, tmp_path)
    with pytest.raises(DatasetError, match="Shard 2/3 of the same command is not done"):
        merge_masks(plan)
    before = {path: path.stat().st_ino for path in tmp_path.glob("*/*/*_mask.png")}
    convert_shard(plan, Shard(2, 3))
    assert all(path.stat().st_ino == inode for path, inode in before.items())
    merge_masks(plan)
    assert files_of(tmp_path) == whole


def test_masks_of_an_earlier_conversion_count_as_kept(root: Path, tmp_path: Path) -> None:
    one, many = tmp_path / "one", tmp_path / "many"
    for masks in (one, many):
        convert(root, masks)
    convert(root, one)
    for number in (2, 1):
        convert_shard(plan_conversion(root, many), Shard(number, 2))
    report = merge_masks(plan_conversion(root, many))
    assert report.reused == report.converted > 0
    assert files_of(many) == files_of(one)


def test_shards_on_the_command_line(
    root: Path, whole: dict[str, bytes], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["convert", str(root), "--out", str(tmp_path / "masks")]
    assert main([*command, "--merge"]) == 1
    assert "There are no shards to merge" in capsys.readouterr().err
    for number in range(1, 21):  # more shards than frames
        assert main([*command, "--shard", f"{number}/20"]) in (0, 2)
    assert main([*command, "--merge"]) == 2
    assert "14 frames: 10 converted (0 of them before), 4 skipped." in capsys.readouterr().out
    assert files_of(tmp_path / "masks") == whole
    with pytest.raises(SystemExit, match="1"):
        main([*command, "--shard", "4/3"])
    assert "4/3 is no shard" in capsys.readouterr().err
