"""Run folders: names that are safe, rows that survive crashes, one trainer at a time.

Also tests: runs/files.
"""

import errno
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_runs import files_limited_to

from cityseg.config import TrainConfig, make_config
from cityseg.defaults import default_runs
from cityseg.errors import ConfigError, RunError
from cityseg.runs.folder import RunDir

TITLES = (
    "../../up",
    "/etc/passwd",
    "<b>bold</b>",
    "a\0b",
    "\n",
    "Zürich 🚗",
    "-rf",
    "CON",
    "x" * 200,
)


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    return RunDir.create(tmp_path / "runs", make_config({"data": tmp_path}))


def write_rows(run: RunDir, *lines: bytes) -> None:
    run.metrics_file.write_bytes(b"\n".join(lines))


# Names


def test_a_link_to_a_run_has_a_name_of_its_own(run: RunDir) -> None:
    link = run.path.with_name("link")
    link.symlink_to(run.path)
    assert RunDir.open(link).id == "link"
    assert RunDir.open(link / "." / "checkpoints" / "..").id == "link"


def test_a_run_that_cannot_be_created_leaves_nothing(tmp_path: Path) -> None:
    with files_limited_to(10), pytest.raises(RunError):
        RunDir.create(tmp_path, make_config({"data": tmp_path}))
    assert not list(tmp_path.iterdir())


@settings(max_examples=50)
@given(
    model=st.from_regex(r"[a-z0-9]{1,9}(:[A-Za-z0-9][A-Za-z0-9_.+-]{0,40})?", fullmatch=True),
    title=st.text(max_size=200) | st.sampled_from(TITLES),
)
def test_an_id_is_safe_whatever_model_and_title_say(model: str, title: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        run = RunDir.create(Path(folder), make_config({"model": model, "title": title}))
        assert re.fullmatch(r"[a-z0-9-]+", run.id)
        assert os.listdir(folder) == [run.id]
        assert RunDir.open(run.path).id == run.id


@pytest.mark.parametrize("title", TITLES)
def test_a_title_is_kept_in_the_configuration_only(tmp_path: Path, title: str) -> None:
    run = RunDir.create(tmp_path / "runs", make_config({"title": title}))
    assert run.config().title == title
    assert sorted(path.name for path in tmp_path.rglob("*")) == sorted(
        ["runs", run.id, "checkpoints", "config.json", "run.lock"]
    )


def test_runs_created_in_one_second_have_names_of_their_own(tmp_path: Path) -> None:
    config = make_config({})
    assert len({RunDir.create(tmp_path, config).id for _ in range(300)}) == 300


def test_runs_are_kept_in_the_folder_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CITYSEG_RUNS", "/elsewhere")
    assert default_runs() == Path("/elsewhere")
    monkeypatch.delenv("CITYSEG_RUNS")
    assert default_runs() == Path("runs")


# Opening


def test_an_opened_run_has_the_settings_it_was_created_with(tmp_path: Path) -> None:
    config = make_config({"data": tmp_path, "crop": "32x48", "size": "64x96", "title": "Ü"})
    assert RunDir.open(RunDir.create(tmp_path, config).path).config() == config


def test_a_run_created_with_relative_folders_is_resumed_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = RunDir.create(tmp_path / "runs", make_config({"data": "city", "store": "frames"}))
    monkeypatch.chdir("/")
    assert run.config().data == tmp_path / "city"
    assert run.config().store == tmp_path / "frames"
    assert run.config().masks_folder == tmp_path / "city" / "masks"


PATHS = [
    name
    for name, field in TrainConfig.model_fields.items()
    if Path in (field.annotation, *get_args(field.annotation))
]


@pytest.mark.parametrize("name", PATHS)
def test_every_setting_that_may_be_a_path_becomes_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here.pth").touch()
    values = {"model": "unet:resnet18", name: "here.pth"}
    run = RunDir.create(tmp_path / "runs", make_config(values))
    monkeypatch.chdir("/")
    copies = {"exclude": "exclude.txt", "review": "review.jsonl"}
    expected = run.path / copies[name] if name in copies else tmp_path / "here.pth"
    assert getattr(run.config(), name) == expected
    assert json.loads(run.config_file.read_text())[name] == str(tmp_path / "here.pth")


def test_weights_are_among_the_paths_and_their_names_stay_names(tmp_path: Path) -> None:
    assert "weights" in PATHS
    config = make_config({"model": "unet:resnet18", "weights": "imagenet"})
    assert RunDir.create(tmp_path, config).config().weights == "imagenet"


def test_what_is_no_run_is_not_opened(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("{}")
    for name in ("missing", "empty", "file", "file/config.json", "nul\0"):
        with pytest.raises(RunError, match=r"is no run: name a folder with a config\.json"):
            RunDir.open(tmp_path / name)


@pytest.mark.parametrize("name", ["exp_01", "My Run", "-dash", "v1.2", "Zürich 🚗"])
def test_a_run_folder_may_have_any_readable_name(run: RunDir, name: str) -> None:
    assert RunDir.open(run.path.rename(run.path.with_name(name))).id == name


@pytest.mark.parametrize("name", [".hidden", "line\nbreak", "bell\a", "\udcff", "x" * 201])
def test_a_folder_name_that_no_run_can_have_is_refused(run: RunDir, name: str) -> None:
    renamed = run.path.rename(run.path.with_name(name))
    with pytest.raises(
        RunError, match="because of its folder's name: rename it, without a leading"
    ):
        RunDir.open(renamed)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"epochs": 0}', '{"no such": 1}', "\udcff"])
def test_damaged_settings_are_a_config_error(run: RunDir, content: str) -> None:
    run.config_file.write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(ConfigError):
        RunDir.open(run.path).config()


# Metric rows


def test_a_run_without_rows_has_none(run: RunDir) -> None:
    assert run.metrics() == []


def test_rows_come_back_in_order(run: RunDir) -> None:
    rows = [{"kind": "train", "loss": 0.1 + number, "class_iou": None} for number in range(5)]
    for row in rows:
        run.append_metrics(row)
    assert run.metrics() == rows


@pytest.mark.parametrize("torn", [b"{", b'{"epoch": 2', b'{"epoch": 2}', b"\0\0\0"])
def test_a_torn_last_row_is_left_out(run: RunDir, torn: bytes) -> None:
    write_rows(run, b'{"epoch": 1}', torn)
    assert run.metrics() == [{"epoch": 1}]


@pytest.mark.parametrize("torn", [b"", b'{"epo', b"\0\0\0", b"[1]", b"7", b"\xff"])
def test_a_torn_row_costs_no_other_row(run: RunDir, torn: bytes) -> None:
    write_rows(run, b'{"epoch": 1}', torn, b'{"epoch": 3}', b"")
    assert run.metrics() == [{"epoch": 1}, {"epoch": 3}]


def test_a_row_with_nan_is_refused_and_leaves_no_trace(run: RunDir) -> None:
    run.append_metrics({"loss": 1.0})
    with pytest.raises(ValueError, match="not JSON compliant"):
        run.append_metrics({"loss": float("nan")})
    assert run.metrics() == [{"loss": 1.0}]


def test_a_row_that_does_not_fit_on_the_disk_is_an_error(run: RunDir) -> None:
    run.append_metrics({"epoch": 1})
    with (
        files_limited_to(run.metrics_size() + 5),
        pytest.raises(OSError, match="No space left") as caught,
    ):
        run.append_metrics({"epoch": 2})
    assert caught.value.errno == errno.ENOSPC
    assert run.metrics() == [{"epoch": 1}]


def test_cutting_drops_what_was_added_since_the_size_was_taken(run: RunDir) -> None:
    run.append_metrics({"epoch": 1})
    size = run.metrics_size()
    run.append_metrics({"epoch": 2})
    run.cut_metrics(size)
    run.append_metrics({"epoch": 3})
    assert run.metrics() == [{"epoch": 1}, {"epoch": 3}]


def test_cutting_leaves_no_part_of_a_row(run: RunDir) -> None:
    run.append_metrics({"epoch": 1})
    size = run.metrics_size()
    run.append_metrics({"epoch": 2})
    run.cut_metrics(size + 3)
    assert run.metrics_size() == size


def test_cutting_adds_nothing_to_rows_that_were_lost(run: RunDir) -> None:
    run.cut_metrics(1000)
    assert run.metrics_file.read_bytes() == b""


# The summary


def test_a_full_disk_still_takes_the_summary(run: RunDir, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any, **settings: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    run.begin_attempt()
    blocks = run.reserve_file.stat()
    monkeypatch.setattr("cityseg.runs.folder.write_json", refuse)
    run.write_summary({"status": "failed", "detail": "Zürich"})
    assert json.loads(run.summary_file.read_bytes()) == {"status": "failed", "detail": "Zürich"}
    assert run.summary_file.stat().st_ino == blocks.st_ino  # no new file, no more bytes
    assert run.summary_file.stat().st_size == blocks.st_size


# The lock


def test_a_run_is_held_once(run: RunDir) -> None:
    with (
        run.locked(),
        pytest.raises(RunError, match="is being trained by another process"),
        run.locked(),
    ):
        pass
    with run.locked():
        pass


def test_a_killed_holder_leaves_the_run_free(run: RunDir) -> None:
    script = (
        "import pathlib, sys, time; from cityseg.runs.folder import RunDir\n"
        "with RunDir(pathlib.Path(sys.argv[1])).locked(): print('held', flush=True); time.sleep(99)"
    )
    command = [sys.executable, "-c", script, run.path]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == b"held\n"
        with pytest.raises(RunError), run.locked():
            pass
        process.send_signal(signal.SIGKILL)
        process.wait()
        with run.locked():
            pass


def test_a_folder_that_cannot_be_written_is_a_run_error(run: RunDir) -> None:
    run.lock_file.unlink()
    run.lock_file.symlink_to("/nowhere/run.lock")
    with pytest.raises(RunError, match="cannot be written"), run.locked():
        pass


def test_only_unfinished_files_are_removed_as_leftovers(run: RunDir) -> None:
    names = (
        "last.pt",
        "best.safetensors",
        ".last.pt.71-0a1b2c3d.part",
        ".best.safetensors.9-ffffffff.part",
    )
    for name in names:
        (run.checkpoints / name).write_bytes(b"x")
    run.remove_leftovers()
    assert sorted(os.listdir(run.checkpoints)) == ["best.safetensors", "last.pt"]


# Being light


def test_looking_at_runs_needs_no_torch() -> None:
    script = (
        "import cityseg.runs.folder, cityseg.train, json, sys; print(json.dumps(list(sys.modules)))"
    )
    loaded: list[Any] = json.loads(subprocess.check_output([sys.executable, "-c", script]))
    assert "cityseg.runs.folder" in loaded
    assert not {"torch", "wandb", "streamlit", "plotly"} & set(loaded)
