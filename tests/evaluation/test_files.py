"""Scores and counts on disk: read back as written, refused when damaged, checked beforehand."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from confusions import random_store
from tiny_runs import tiny_config

from cityseg.cli.main import main
from cityseg.errors import CitysegError, ScoreError
from cityseg.evaluation.files import (
    check_scores_file,
    load_confusions,
    load_evaluation,
    save_confusions,
    write_scores,
)
from cityseg.runs.folder import RunDir


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    return RunDir.create(tmp_path / "runs", tiny_config(tmp_path / "city"))


# --- counts -----------------------------------------------------------------------------------


def test_a_store_is_read_back_unchanged(tmp_path: Path) -> None:
    store = random_store()
    save_confusions(tmp_path / "store.npz", store)
    again = load_confusions(tmp_path / "store.npz")
    assert again.names == store.names
    for name in "confusion", "classes", "categories", "has_instances":
        ours, read = getattr(store, name), getattr(again, name)
        assert ours.dtype == read.dtype
        assert np.array_equal(ours, read)
    assert again.confusion.shape == (5, 34, 34)


def test_the_format_of_a_store_stays_and_is_compressed_without_pickle(tmp_path: Path) -> None:
    save_confusions(tmp_path / "store.npz", random_store(200))
    with np.load(tmp_path / "store.npz", allow_pickle=False) as archive:
        assert {*archive} == {"names", "confusion", "classes", "categories", "has_instances"}
        assert archive["names"][3] == "frame 3"
    assert (tmp_path / "store.npz").stat().st_size < 200 * 34 * 34 / 4


@pytest.mark.parametrize("how", ["garbage", "cut", "another"])
def test_a_file_that_is_not_a_store_is_refused(tmp_path: Path, how: str) -> None:
    path = tmp_path / "store.npz"
    save_confusions(path, random_store())
    if how == "another":
        np.savez(path, confusion=np.zeros(3))
    elif how == "cut":
        path.write_bytes(path.read_bytes()[:-99])
    else:
        path.write_bytes(b"x")
    with pytest.raises(
        ScoreError, match=r"store\.npz is damaged or not a file of counts: evaluate or score again"
    ):
        load_confusions(path)


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("confusion", np.zeros((5, 34, 33), np.uint32)),
        ("confusion", np.zeros((5, 34, 34), np.float64)),
        ("classes", np.zeros((4, 8, 2))),
        ("has_instances", np.zeros(5, np.uint8)),
        ("names", np.arange(5)),
    ],
)
def test_arrays_of_other_frames_or_types_are_refused(
    tmp_path: Path, name: str, array: np.ndarray[Any, Any]
) -> None:
    path = tmp_path / "store.npz"
    save_confusions(path, random_store())
    with np.load(path) as archive:
        arrays = dict(archive)
    assert len(arrays["names"]) == 5
    np.savez(path, **arrays | {name: array})
    with pytest.raises(ScoreError, match="is damaged or not a file of counts"):
        load_confusions(path)


def test_a_flipped_bit_is_noticed_or_harmless(tmp_path: Path) -> None:
    store, path = random_store(), tmp_path / "store.npz"
    save_confusions(path, store)
    whole, noticed = path.read_bytes(), 0
    for at in range(0, len(whole), 3):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        try:
            again = load_confusions(path)
        except ScoreError:
            noticed += 1
        else:
            assert np.array_equal(again.confusion, store.confusion)
            assert np.array_equal(again.classes, store.classes)
            assert again.names == store.names
    assert noticed > len(whole) / 6


def test_a_missing_store_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        ScoreError,
        match=r"^Cannot read .*x\.npz \(No such file or directory\): evaluate or score again",
    ):
        load_confusions(tmp_path / "x.npz")


# --- scores -----------------------------------------------------------------------------------


def test_scores_are_written_with_the_counts_beside_them(tmp_path: Path) -> None:
    store = random_store(2)
    written = write_scores(tmp_path / "out" / "val.json", store, {"encoding": "labelids"})
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["val.json", "val.npz"]
    text = (tmp_path / "out" / "val.json").read_text()
    assert json.loads(text, parse_constant=pytest.fail) == {
        "encoding": "labelids",
        "frames": 2,
        "frames_with_instances": 2,
        **load_confusions(written).scores().to_json(),
    }


def test_the_scores_in_a_run_folder_are_read_back(run: RunDir) -> None:
    store = random_store()
    assert load_evaluation(run, "val") is None
    about = {"split": "val", "epoch": 7, "sliding": True, "flip": False, "skipped": ["a: reason"]}
    write_scores(run.scores_file("val"), store, about)
    found = load_evaluation(run, "val")
    assert found
    assert (found.epoch, found.sliding, found.skipped) == (7, True, ["a: reason"])
    assert np.array_equal(found.store.confusion, store.confusion)


@pytest.mark.parametrize("content", [b"", b"[]", b'{"epoch": 1}', b'{"epoch": null}'])
def test_damaged_scores_are_refused_by_name(run: RunDir, content: bytes) -> None:
    run.scores_file("val").write_bytes(content)
    with pytest.raises(ScoreError, match=r"scores-val\.json is damaged or holds no scores"):
        load_evaluation(run, "val")


def test_scores_without_their_counts_are_refused_by_name(run: RunDir) -> None:
    about = {"split": "val", "epoch": 1, "sliding": False, "flip": False, "skipped": []}
    write_scores(run.scores_file("val"), random_store(), about).unlink()
    with pytest.raises(ScoreError, match=r"^Cannot read .*scores-val\.npz \(No such file"):
        load_evaluation(run, "val")


# --- checks before the work -------------------------------------------------------------------


def test_a_path_that_scores_can_be_written_to_passes_and_nothing_is_created(
    tmp_path: Path,
) -> None:
    check_scores_file(tmp_path / "new" / "val.json")
    assert not (tmp_path / "new").exists()


def test_scores_do_not_take_the_name_of_their_counts(tmp_path: Path) -> None:
    for check in (check_scores_file, lambda path: write_scores(path, random_store(), {})):
        with pytest.raises(
            ScoreError, match=r"val\.npz: their counts get that name; name a \.json"
        ):
            check(tmp_path / "val.npz")


@pytest.mark.parametrize("taken", ["val.json", "val.npz"])
def test_a_folder_where_scores_or_counts_would_go_is_refused(tmp_path: Path, taken: str) -> None:
    (tmp_path / taken).mkdir()
    with pytest.raises(CitysegError, match=f"Cannot write to .*{taken}: it is a folder"):
        check_scores_file(tmp_path / "val.json")


@pytest.mark.parametrize("place", ["folder", "file/below.json"])
def test_commands_refuse_an_output_before_they_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], place: str
) -> None:
    """Of two faults, they name the one of the output, which is found last when one works first."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    out, nowhere = str(tmp_path / place), str(tmp_path / "nowhere")
    for command in (
        ["evaluate", str(tmp_path), "--data", nowhere, "--out", out],
        ["score", "--pred", nowhere, "--gt", nowhere, "--out", out],
    ):
        assert main(command) == 1
        assert capsys.readouterr().err.startswith(
            f"cityseg: Cannot write to {out.split('/below')[0]}"
        )


def test_evaluate_refuses_an_unwritable_run_folder_before_it_works(
    run: RunDir, capsys: pytest.CaptureFixture[str]
) -> None:
    run.scores_file("val").mkdir()
    assert main(["evaluate", str(run.path), "--data", str(run.path / "nowhere")]) == 1
    assert "scores-val.json: it is a folder" in capsys.readouterr().err
