"""The views of evidence without a browser: what is collected, chosen, compared and shown.

Also tests: evaluation/evidence_sums, ui/results/evidence_scores, ui/results/collecting,
ui/results/downloads.
"""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boxes
import numpy as np
import pytest
from streamlit.testing.v1 import AppTest
from tiny_runs import make_city, one_thread, trained

from cityseg.defaults import DATASET_VARIABLE, RUNS_VARIABLE
from cityseg.evaluation import frame_sums, load_evidence
from cityseg.evaluation.evidence import collect_evidence
from cityseg.jobs import Task
from cityseg.labels import CLASS_NAMES
from cityseg.metrics import Interval, boundary_iou, reliability, sampled_scores
from cityseg.runs import BoxRun, RunDir
from cityseg.ui.results.evidence_runs import common_frames
from cityseg.ui.results.evidence_scores import verdict

MAIN = Path(__file__).parents[3] / "cityseg" / "ui" / "pages" / "main.py"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A city with two runs beside it, both with evidence, and a third without."""
    with pytest.MonkeyPatch.context() as patch, one_thread():
        folder = tmp_path_factory.mktemp("evidence")
        boxes.empty_box(folder, patch)
        data = make_city(folder / "city", 2, 5)
        for epochs, title in enumerate(("None", "First", "Second")):
            run = trained(data, title=title, epochs=max(epochs, 1))
            if title != "None":
                collect_evidence(run.path, data, run.evidence, device="cpu")
        yield data


@pytest.fixture
def runs(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, RunDir]:
    """A copy of the runs for a test to change, by title; the city is shared."""
    shutil.copytree(made.parent / "runs", tmp_path / "runs", ignore=lambda *_: [".store"])
    boxes.empty_box(tmp_path, monkeypatch)
    monkeypatch.setenv(DATASET_VARIABLE, str(made))
    monkeypatch.setenv(RUNS_VARIABLE, str(tmp_path / "runs"))
    found = [RunDir(path) for path in sorted((tmp_path / "runs").iterdir())]
    return {run.config().title: run for run in found}


@pytest.fixture
def open_view(runs: dict[str, RunDir]) -> Callable[..., AppTest]:
    """A view of some runs, by their titles, at an address with further parameters."""

    def open_view(view: str, *titles: str, **parameters: Any) -> AppTest:
        at = AppTest.from_file(MAIN, default_timeout=60)
        at.switch_page("results.py")
        ids = [runs[title].id for title in titles]
        for name, value in {"view": view, "run": ids, **parameters}.items():
            at.query_params[name] = value
        at.run()
        assert not at.exception
        return at

    return open_view


def words(at: AppTest) -> str:
    kinds = (at.markdown, at.info, at.error, at.warning, at.caption)
    return "\n".join(element.value for kind in kinds for element in kind).replace("\\", "")


def evidence_of(run: RunDir) -> Any:
    (folder,) = run.evidence.iterdir()
    return load_evidence(folder)


def test_without_evidence_the_view_offers_to_collect_it(
    open_view: Callable[..., AppTest],
    runs: dict[str, RunDir],
    made: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    started: list[tuple[Any, ...]] = []
    monkeypatch.setattr(Task, "start", lambda task, *arguments: started.append(arguments))
    at = open_view("Scores", "None")
    assert "This view needs evidence" in words(at)
    assert "No evidence on val yet" in words(at)
    at.button(key=f"collect-{runs['None'].id}-val").click().run()
    assert started == [(runs["None"].path, "--data", made, "--split", "val")]


def test_evidence_of_the_box_goes_beside_the_runs(
    open_view: Callable[..., AppTest],
    runs: dict[str, RunDir],
    made: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    boxes.fill_box(tmp_path / "box", monkeypatch)
    started: list[tuple[Any, ...]] = []
    monkeypatch.setattr(Task, "start", lambda task, *arguments: started.append(arguments))
    open_view("Scores", run="box").button(key="collect-box-val").click().run()
    out = BoxRun.below(tmp_path / "runs").evidence
    assert started == [("box", "--out", out, "--data", made, "--split", "val")]


def test_an_interrupted_pass_is_offered_to_be_continued(
    open_view: Callable[..., AppTest], runs: dict[str, RunDir]
) -> None:
    evidence = evidence_of(runs["First"])
    evidence.about.model_copy(update={"is_done": False}).write(evidence.folder)
    at = open_view("Scores", "First")
    assert "It was interrupted" in words(at)
    assert at.button(key=f"collect-{runs['First'].id}-val").label == "Collect evidence"


def test_evidence_of_older_weights_is_shown_and_said_to_be_old(
    open_view: Callable[..., AppTest], runs: dict[str, RunDir]
) -> None:
    shutil.copyfile(runs["Second"].best, runs["First"].best)
    at = open_view("Scores", "First")
    assert "The weights have changed since" in words(at)
    assert at.dataframe


def test_scores_are_those_of_the_evidence_for_every_run(
    open_view: Callable[..., AppTest], runs: dict[str, RunDir]
) -> None:
    at = open_view("Scores", "First", "Second")
    table = at.dataframe[0].value
    assert table["Run"].tolist() == ["First", "Second"]
    for row, title in enumerate(("First", "Second")):
        scores = evidence_of(runs[title]).scores()
        assert table["Mean IoU"][row].startswith(f"{scores.mean_iou:.1%} (")
        by_class = at.dataframe[1].value[f"score-{row}"]
        assert by_class.tolist() == pytest.approx(list(scores.class_iou.values()), nan_ok=True)
    assert table["iIoU"].tolist() == ["–", "–"]  # the city has no instances
    assert "5 frames" in words(at)
    assert "points of mean IoU" in words(at)


def test_every_score_is_that_of_the_counts(runs: dict[str, RunDir]) -> None:
    evidence = evidence_of(runs["Second"])
    chosen = np.array([0, 2, 3])
    whole = sampled_scores(frame_sums(evidence).of(chosen), repeats=1).whole
    expected = evidence.scores(chosen)
    assert whole.overall["mean_iou"][0] == pytest.approx(expected.mean_iou)
    boundary = boundary_iou(evidence.boundary(chosen))
    np.testing.assert_allclose(whole.by_class["boundary_iou"][0], boundary)
    error = reliability(evidence.confidence(chosen)).error
    assert whole.overall["calibration_error"][0] == pytest.approx(error)
    assert whole.by_class["instance_iou"][0].tolist() == pytest.approx(
        list(expected.instance_iou.values()), nan_ok=True
    )


def test_a_choice_of_frames_in_the_address_changes_every_score(
    open_view: Callable[..., AppTest], runs: dict[str, RunDir]
) -> None:
    evidence = evidence_of(runs["First"])
    scores = evidence.frame_scores.class_iou[:, CLASS_NAMES.index("car")]
    at = open_view("Scores", "First", cities="tiny", present="car")
    chosen = evidence.scores(~np.isnan(scores))
    assert at.dataframe[0].value["Mean IoU"][0].startswith(f"{chosen.mean_iou:.1%} (")
    at = open_view("Scores", "First", present="train")
    assert "No frame is in this choice" in words(at)


def test_only_frames_with_the_same_annotation_are_compared(
    open_view: Callable[..., AppTest],
    runs: dict[str, RunDir],
    tmp_path: Path,
) -> None:
    city = make_city(tmp_path / "other" / "city", 0, 3)
    run = runs["Second"]
    shutil.rmtree(run.evidence)
    with one_thread():
        fewer = collect_evidence(run.path, city, run.evidence, device="cpu")
    frames = common_frames([evidence_of(runs["First"]), fewer])
    assert [each.tolist() for each in frames] == [[0, 1, 2]] * 2
    at = open_view("Scores", "First", "Second")
    assert "only the 3 frames that all have in common are compared" in words(at)
    assert "another dataset than the one that is open" in words(at)


def test_evidence_without_a_common_frame_is_not_compared(
    open_view: Callable[..., AppTest], runs: dict[str, RunDir]
) -> None:
    (folder,) = runs["Second"].evidence.iterdir()
    part = folder / "part-00000.npz"
    with np.load(part) as archive:
        arrays = dict(archive)
    arrays["names"] = np.char.replace(arrays["names"], "tiny", "other")
    np.savez_compressed(part, **arrays)
    at = open_view("Scores", "First", "Second")
    assert "has no frame in common: only First is shown" in words(at)
    assert len(at.dataframe[0].value) == 1


def test_damaged_evidence_is_explained_and_the_others_are_shown(
    open_view: Callable[..., AppTest], runs: dict[str, RunDir]
) -> None:
    (folder,) = runs["First"].evidence.iterdir()
    (folder / "part-00000.npz").write_bytes(b"no archive")
    at = open_view("Scores", "First", "Second")
    assert "ends after 0 frames" in at.error[0].value
    assert at.dataframe[0].value["Run"].tolist() == ["Second"]


@pytest.mark.parametrize(
    ("difference", "text"),
    [
        ((0.013, 0.009, 0.017), "**B** is better than **A** by 1.3 ± 0.4 points of mean IoU."),
        ((-0.02, -0.03, -0.01), "**B** is worse than **A** by 2.0 ± 1.0 points of mean IoU."),
        (
            (0.001, -0.004, 0.006),
            "**B** and **A** cannot be told apart: they differ by 0.1 ± 0.5 points of mean IoU.",
        ),
        ((np.nan,) * 3, "**B** and **A** cannot be compared on these frames."),
    ],
)
def test_a_difference_is_a_sentence(difference: tuple[float, float, float], text: str) -> None:
    assert verdict("B", "A", Interval(*difference)) == text
