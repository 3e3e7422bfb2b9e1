"""Evidence: what it counts is what `evaluate` counts, nothing is predicted twice, nothing mixes.

Also tests: evaluation/evidence_files, evaluation/frames.
"""

import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import forks
import numpy as np
import pyarrow.parquet as parquet
import pytest
import tiny_runs
from city import annotation_path, decode, encode, polygons_file

from cityseg.corruption import Corruption
from cityseg.data.dataset import find_frames
from cityseg.data.masks import convert
from cityseg.errors import ScoreError
from cityseg.evaluation import evidence as evidence_module
from cityseg.evaluation import evidence_files
from cityseg.evaluation.checkpoint import evaluate
from cityseg.evaluation.evidence import collect_evidence, examine_prediction
from cityseg.evaluation.evidence_files import (
    ABOUT,
    Evidence,
    load_evidence,
    part_path,
    picture_paths,
)
from cityseg.evaluation.frames import load_frame
from cityseg.labels import LABEL_OF_NAME
from cityseg.prediction import Predictor, corrupt_picture, predict_uncertain
from cityseg.runs.seen import read_seen
from cityseg.system import read_or_none

FRAMES = 5
COLLECT = """
import sys
from pathlib import Path
from cityseg.evaluation import evidence
evidence.PART_FRAMES = 2
evidence.collect_evidence(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), device="cpu")
"""


@pytest.fixture(scope="module", autouse=True)
def _small_parts() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evidence_module, "PART_FRAMES", 2)
        yield


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_runs.write_weights(tmp_path_factory.mktemp("network"))


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_runs.make_city(tmp_path_factory.mktemp("evidence") / "city", 0, FRAMES)


@pytest.fixture(scope="module")
def evidence(weights: Path, city: Path, tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    return collect_evidence(weights, city, tmp_path_factory.mktemp("out"), device="cpu")


def results_in(folder: Path) -> dict[str, bytes]:
    found = tiny_runs.results_in(folder)
    assert found
    return found


def test_its_confusions_are_those_of_evaluate(
    weights: Path, city: Path, evidence: Evidence
) -> None:
    expected = evaluate(weights, city, device="cpu").store
    assert evidence.store.names == expected.names
    assert (evidence.store.confusion == expected.confusion).all()
    assert evidence.scores().to_json() == expected.scores().to_json()


def test_the_counts_of_any_frames_are_the_sums_of_theirs(
    weights: Path, city: Path, evidence: Evidence
) -> None:
    predictor = Predictor.load(weights, "cpu")
    frames = [load_frame(frame) for frame in find_frames(city, ["val"])]
    single = [
        examine_prediction(frame, predict_uncertain(predictor, frame.image)) for frame in frames
    ]
    for chosen in (np.arange(FRAMES), np.array([3, 0]), np.arange(FRAMES) % 2 == 0, np.array([4])):
        own = [single[index] for index in np.arange(FRAMES)[chosen]]
        assert (evidence.boundary(chosen) == sum(each.boundary for each in own)).all()
        assert (evidence.errors(chosen) == sum(each.errors for each in own)).all()
        found = evidence.confidence(chosen)
        assert (found.histogram == sum(each.confidence.histogram for each in own)).all()
        assert (found.confidence == sum(each.confidence.confidence for each in own)).all()


def test_kinds_of_errors_and_confidence_hold_the_pixels_of_the_confusion(
    evidence: Evidence,
) -> None:
    confusion = evidence.class_confusions.sum(axis=0)
    hits = np.diagonal(confusion)
    assert (evidence.errors()[:, 0].sum(axis=1) == confusion.sum(axis=1) - hits).all()
    assert (evidence.errors()[:, 1].sum(axis=1) == confusion[:, :19].sum(axis=0) - hits).all()
    assert (evidence.confidence().histogram.sum(axis=2) == confusion[:, :19]).all()


def test_the_table_has_every_evaluated_pixel_once_a_side(evidence: Evidence) -> None:
    table = evidence.regions().to_pandas()
    evaluated = evidence.class_confusions.sum()
    assert table.groupby("side", observed=True).pixels.sum().to_dict() == {
        "truth": evaluated,
        "prediction": evaluated,
    }
    truth = table[table.side == "truth"].groupby("train_id").pixels.sum()
    rows = evidence.class_confusions.sum(axis=(0, 2))
    assert truth.to_dict() == {index: count for index, count in enumerate(rows) if count}
    one = parquet.read_table(next((evidence.folder / "regions").iterdir()))
    assert one.schema == evidence.regions().schema


def test_pictures_have_the_size_of_the_network(evidence: Evidence) -> None:
    for name in evidence.store.names:
        train_ids, confidence = (
            decode(path.read_bytes()) for path in picture_paths(evidence.folder, name)
        )
        assert train_ids.shape == confidence.shape == (16, 32)
        assert train_ids.max() < 19


def test_without_pictures_none_are_written(weights: Path, city: Path, tmp_path: Path) -> None:
    found = collect_evidence(weights, city, tmp_path, device="cpu", with_pictures=False)
    assert not (found.folder / "pictures").exists()


def test_a_pass_that_was_killed_continues_where_it_ended(
    weights: Path, city: Path, tmp_path: Path, evidence: Evidence
) -> None:
    process = forks.fork(forks.TRAINING, COLLECT, weights, city, tmp_path)
    while not (found := list(tmp_path.glob("*/part-00000.npz"))):
        assert process.poll() is None, process.errors.read_text()
        time.sleep(0.001)
    process.kill()
    process.wait()
    first = found[0].stat()
    continued = collect_evidence(weights, city, tmp_path, device="cpu")
    assert found[0].stat().st_mtime_ns == first.st_mtime_ns
    assert continued.folder.name == evidence.folder.name
    assert results_in(continued.folder) == results_in(evidence.folder)


def test_a_pass_that_is_done_is_only_opened(
    weights: Path, city: Path, evidence: Evidence, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evidence_module, "evaluated_frames", None)
    again = collect_evidence(weights, city, evidence.folder.parent, device="cpu")
    assert again.folder == evidence.folder


def test_a_pass_that_is_done_is_that_of_a_dataset_that_was_moved(
    weights: Path, city: Path, tmp_path: Path
) -> None:
    evidence = collect_evidence(weights, city, tmp_path / "evidence", device="cpu")
    moved = shutil.copytree(city, tmp_path / "moved")
    assert not evidence.about.is_of(moved)
    again = collect_evidence(weights, moved, tmp_path / "evidence", device="cpu")
    assert again.folder == evidence.folder
    assert again.about.is_of(moved)


def test_a_pass_that_is_done_is_unpacked_once(
    weights: Path, city: Path, evidence: Evidence, monkeypatch: pytest.MonkeyPatch
) -> None:
    unpacked: list[int] = []
    read = evidence_files.read_arrays

    def counted(content: bytes, names: Sequence[str]) -> dict[str, Any]:
        unpacked.append(len(content))
        return read(content, names)

    monkeypatch.setattr(evidence_files, "read_arrays", counted)
    collect_evidence(weights, city, evidence.folder.parent, device="cpu")
    assert len(unpacked) == evidence.about.parts


def test_names_that_are_not_utf8_are_collected(weights: Path, tmp_path: Path) -> None:
    city = tiny_runs.make_city(tmp_path / "city", 0, 1)
    (town,) = (city / "leftImg8bit" / "val").iterdir()
    for path in [*city.rglob("tiny_000000_000000*")]:
        path.rename(path.with_name(path.name.replace("tiny", "t\udcfcny")))
    found = collect_evidence(weights, city, tmp_path / "out", device="cpu")
    assert found.store.names == [f"val/{town.name}/t\udcfcny_000000_000000"]
    assert (found.folder / evidence_files.REGIONS).stat().st_size


def test_instance_maps_that_cannot_be_used_are_summed_up(
    weights: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    city = tiny_runs.make_city(tmp_path / "city", 0, 3)
    for number in range(3):
        label_ids = annotation_path(city, f"tiny_000000_{number:06}", "val")
        instances = label_ids.with_name(label_ids.name.replace("labelIds", "instanceIds"))
        instances.write_bytes(b"broken")
    with caplog.at_level("WARNING"):
        collect_evidence(weights, city, tmp_path / "out", device="cpu")
    (message,) = [record.getMessage() for record in caplog.records]
    assert message.startswith("The instance maps of 3 of 3 frames cannot be used, such as that of")


def test_a_damaged_part_is_collected_again(weights: Path, city: Path, tmp_path: Path) -> None:
    found = collect_evidence(weights, city, tmp_path, device="cpu")
    before = results_in(found.folder)
    damaged = bytearray(part_path(found.folder, 1).read_bytes())
    damaged[len(damaged) // 2] ^= 4
    part_path(found.folder, 1).write_bytes(damaged)
    with pytest.raises(ScoreError, match="ends after 2 frames: the same command continues it"):
        load_evidence(found.folder)
    assert results_in(collect_evidence(weights, city, tmp_path, device="cpu").folder) == before


def test_other_annotations_and_other_options_never_mix(weights: Path, tmp_path: Path) -> None:
    city = tiny_runs.make_city(tmp_path / "city", 0, 2)
    out = tmp_path / "out"
    folders = {collect_evidence(weights, city, out, device="cpu").folder}
    folders.add(collect_evidence(weights, city, out, device="cpu", flip=True).folder)
    path = annotation_path(city, "tiny_000000_000000", "val")
    path.write_bytes(encode(np.zeros_like(decode(path.read_bytes()))))
    folders.add(collect_evidence(weights, city, out, device="cpu").folder)
    assert len(folders) == 3


def test_a_corruption_has_a_folder_of_its_own(
    weights: Path, city: Path, evidence: Evidence
) -> None:
    found = collect_evidence(
        weights, city, evidence.folder.parent, device="cpu", corruption=Corruption("night", 5)
    )
    assert found.folder != evidence.folder
    assert (found.about.corruption, evidence.about.corruption) == ("night:5", "")
    assert found.about.clean_key == evidence.about.clean_key == evidence.about.key
    predictor = Predictor.load(weights, "cpu")
    frame = load_frame(find_frames(city, ["val"])[3])
    image = corrupt_picture(frame.image, Corruption("night", 5), frame.name)
    single = examine_prediction(replace(frame, image=image), predict_uncertain(predictor, image))
    assert (found.boundary([3]) == single.boundary).all()
    assert (found.confidence([3]).confidence == single.confidence.confidence).all()
    assert (found.confidence([3]).confidence != evidence.confidence([3]).confidence).any()


def test_what_is_said_of_a_pass_at_another_size_is_read_again(
    evidence: Evidence, tmp_path: Path
) -> None:
    about = evidence.about.model_copy(update={"size_hw": (32, 64)})
    about.write(tmp_path)
    assert read_or_none(tmp_path / ABOUT, type(about)) == about


def test_other_ways_to_read_the_same_files_never_mix(weights: Path, tmp_path: Path) -> None:
    city = tiny_runs.make_city(tmp_path / "city", 0, 1)
    polygons = polygons_file(
        {"label": "Strasse", "polygon": [[0, 0], [64, 0], [64, 16], [0, 16]]},
        {"label": "sky", "polygon": [[0, 16], [64, 16], [64, 32], [0, 32]]},
        size_hw=(32, 64),
    )
    label_ids = annotation_path(city, "tiny_000000_000000", "val")
    name = label_ids.name.replace("labelIds.png", "polygons.json")
    label_ids.with_name(name).write_bytes(polygons)
    label_ids.unlink()
    pixels, folders = set(), set()
    for options in ({}, {"label_map": {"Strasse": LABEL_OF_NAME["road"]}}, {"pixel_aspect": 2}):
        convert(city, **options)
        found = collect_evidence(weights, city, tmp_path / "out", device="cpu")
        folders.add(found.folder)
        pixels.add(int(found.class_confusions[:, 0].sum()))
    assert len(folders) == 3
    assert pixels == {0, 64 * 16}


def test_a_frame_that_cannot_be_read_is_named(weights: Path, tmp_path: Path) -> None:
    city = tiny_runs.make_city(tmp_path / "city", 0, 3)
    annotation_path(city, "tiny_000000_000001", "val").write_bytes(b"broken")
    found = collect_evidence(weights, city, tmp_path / "out", device="cpu")
    assert [text.partition(":")[0] for text in found.skipped] == ["val/tiny/tiny_000000_000001"]
    assert len(found.store.names) == 2


def test_a_folder_in_use_is_left_alone(weights: Path, city: Path, evidence: Evidence) -> None:
    with (
        evidence_module.Lock.take_folder(evidence.folder),
        pytest.raises(ScoreError, match="Another process collects evidence in"),
    ):
        collect_evidence(weights, city, evidence.folder.parent, device="cpu")


def test_what_is_no_evidence_is_said(tmp_path: Path) -> None:
    with pytest.raises(ScoreError, match="has no evidence: collect it with python -m cityseg"):
        load_evidence(tmp_path)
    (tmp_path / ABOUT).write_text("{")
    with pytest.raises(ScoreError, match="has no evidence"):
        load_evidence(tmp_path)


def test_of_training_frames_the_network_of_a_fold_judges_only_its_part(tmp_path: Path) -> None:
    city = tiny_runs.make_city(tmp_path / "city", 3, 1)
    for number in range(3):  # as cities of their own
        for path in city.rglob(f"train/tiny/tiny_000000_{number:06}*"):
            target = (
                path.parent.parent / f"town{number}" / path.name.replace("tiny", f"town{number}")
            )
            target.parent.mkdir(exist_ok=True)
            path.rename(target)
    run = tiny_runs.trained(city, epochs=1, fold="2/3", batch_size=2)
    found = collect_evidence(run.path, city, tmp_path / "out", split="train", device="cpu")
    assert found.store.names == ["train/town1/town1_000000_000001"]
    assert set(read_seen(run).frames) == {  # 2 of 3, and the one to validate with
        "train/town0/town0_000000_000000",
        "train/town2/town2_000000_000002",
        "val/tiny/tiny_000000_000000",
    }
    whole = collect_evidence(run.path, city, tmp_path / "out", device="cpu")
    assert [name.partition("/")[0] for name in whole.store.names] == ["val"]
