"""`cityseg array`: shards as processes give the files of one run; wrong arguments start none."""

from pathlib import Path

import pytest
from city import write_frame
from slurm_cluster import free_ports
from tiny_runs import content_of

from cityseg.cli.main import main

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CITYSEG_RUNS", str(tmp_path / "runs"))
    return tmp_path / "runs"


def test_shards_are_done_and_merged(tmp_path: Path, runs: Path, capsys: Capture) -> None:
    root = tmp_path / "data"
    for number in range(5):
        write_frame(root, f"x_{number}_0")
    one, many = tmp_path / "one", tmp_path / "many"
    assert main(["convert", str(root), "--out", str(one), "--splits", "train"]) == 0
    command = ["array", "--now", "convert", str(root), "--shards", "2", "--on", "local"]
    assert main([*command, "--out", str(many), "--splits", "train"]) == 0
    printed = capsys.readouterr().out
    assert "2 shards of convert; jobs stop array-" in printed
    assert printed.endswith("5 frames: 5 converted (0 of them before), 0 skipped.\n")
    assert content_of(many) == content_of(one)


@pytest.mark.parametrize(
    ("settings", "arguments", "message"),
    [
        ("", ["--on", "slurm"], "has no section [slurm]: add one to run jobs there, or choose"),
        (
            '[ray]\naddress = "http://127.0.0.1:PORT"\n',
            ["--on", "ray"],
            "(Connection refused): check the address in places.toml and that the cluster is up",
        ),
        ("[slurm]\n", ["--on", "slurm", "--now"], "slurm decides when a shard begins: leave out"),
    ],
)
def test_a_cluster_that_cannot_be_used_is_an_error(
    settings: str,
    arguments: list[str],
    message: str,
    runs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Capture,
) -> None:
    file = tmp_path / "places.toml"
    file.write_text(settings.replace("PORT", str(free_ports(1)[0])))
    monkeypatch.setenv("CITYSEG_CONFIG", str(file))
    assert main(["array", "convert", str(tmp_path), *arguments]) == 1
    assert message in capsys.readouterr().err
    assert not runs.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["convert", "DATA", "--splits", "all"], "all"),
        (["convert", "DATA", "--merge"], "not allowed with argument --merge"),
        (["evidence", "box", "--wrong"], "Unknown arguments: --wrong; see"),
        (["train"], "Argument COMMAND: invalid choice: 'train'"),
        (["convert", "DATA", "--shards", "0"], "Argument --shards: 0 is below 1"),
        (["convert", "DATA", "--shards"], "expected one argument"),
        (["convert", "DATA", "--on", "moon"], "Argument --on: invalid choice: 'moon'"),
    ],
)
def test_wrong_arguments_start_nothing(
    arguments: list[str], message: str, runs: Path, capsys: Capture
) -> None:
    with pytest.raises(SystemExit, match="1"):
        main(["array", *arguments])
    assert message in capsys.readouterr().err
    assert not runs.exists()
