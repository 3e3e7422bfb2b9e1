"""The views of evidence without a browser: what is collected, chosen, compared and shown.

Also tests: evaluation/evidence_sums, ui/results/evidence_*, ui/results/frame_properties,
ui/results/collecting, ui/results/downloads, ui/results/calibration_table.
"""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boxes
import numpy as np
import pytest
from streamlit.testing.v1 import AppTest
from tiny_runs import make_city, trained
from waiting import PATIENCE_SECONDS

from cityseg.data import png
from cityseg.defaults import DATASET_VARIABLE, RUNS_VARIABLE
from cityseg.evaluation import frame_sums, load_evidence
from cityseg.evaluation.evidence import collect_evidence
from cityseg.jobs import Task
from cityseg.labels import CLASS_NAMES, IGNORE
from cityseg.metrics import (
    ERROR_KINDS,
    Interval,
    boundary_iou,
    class_calibration,
    reliability,
    sampled_scores,
)
from cityseg.review import TagChange, append, ledger_file
from cityseg.runs import BoxRun, RunDir
from cityseg.ui.folders import Folders
from cityseg.ui.results import evidence_pictures
from cityseg.ui.results.chosen_runs import ChosenRun
from cityseg.ui.results.evidence_confidence import answered
from cityseg.ui.results.evidence_pictures import evidence_picture
from cityseg.ui.results.evidence_runs import RunEvidence, common_frames
from cityseg.ui.results.evidence_scores import verdict
from cityseg.ui.results.frame_properties import PROPERTIES, SCORES, values_of

MAIN = Path(__file__).parents[3] / "cityseg" / "ui" / "pages" / "main.py"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A city with two runs beside it, both with evidence, and a third without."""
    with pytest.MonkeyPatch.context() as patch:
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
        at = AppTest.from_file(MAIN, default_timeout=PATIENCE_SECONDS)
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


def test_frames_are_chosen_by_their_tags_in_the_ledger_of_the_dataset(
    open_view: Callable[..., AppTest], runs: dict[str, RunDir], made: Path
) -> None:
    at = open_view("Scores", "First")
    assert at.multiselect(key="tags").disabled
    evidence = evidence_of(runs["First"])
    tagged = {"night": [1, 3], "wet road": [3, 4]}
    lines = [
        TagChange(frame=evidence.store.names[index], tag=tag, reviewer="Ada", is_set=True)
        for tag, indices in tagged.items()
        for index in indices
    ]
    append(ledger_file(made, runs["First"].path.parent), lines)
    for tags, chosen in ((["night"], [1, 3]), (["night", "wet road"], [1, 3, 4])):
        at = open_view("Scores", "First", tags=tags)
        expected = evidence.scores(np.array(chosen)).mean_iou
        assert at.dataframe[0].value["Mean IoU"][0].startswith(f"{expected:.1%} (")
        assert f"{len(chosen)} of 5 frames" in words(at)
    at = open_view("Scores", "First", tags="gone")
    assert "No frame is in this choice" in words(at)
    at.multiselect(key="tags").set_value(["night"]).run()
    assert at.query_params["tags"] == "night"
    assert "2 of 5 frames" in words(at)


def test_only_frames_with_the_same_annotation_are_compared(
    open_view: Callable[..., AppTest],
    runs: dict[str, RunDir],
    tmp_path: Path,
) -> None:
    city = make_city(tmp_path / "other" / "city", 0, 3)
    run = runs["Second"]
    shutil.rmtree(run.evidence)
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


def charts_of(at: AppTest) -> dict[str, Any]:
    """The figures by their keys."""
    figures = at.get("plotly_chart")
    return {each.proto.id.split("-")[-1]: json.loads(each.proto.spec) for each in figures}


def viewer_data(at: AppTest) -> dict[str, Any]:
    """What the viewer on the page was sent."""
    protos = [each.proto for each in at.get("bidi_component")]
    (viewer,) = [proto for proto in protos if proto.component_name == "cityseg_viewer"]
    data: dict[str, Any] = json.loads(viewer.json)
    return data


def test_parts_of_a_class_add_up_and_lead_to_its_regions(
    open_view: Callable[..., AppTest], runs: dict[str, RunDir]
) -> None:
    evidence = evidence_of(runs["First"])
    at = open_view("Why not 1?", "First", "Second")
    bars = [bar for bar in charts_of(at)["error_bars"]["data"] if bar.get("customdata")]
    assert len(bars) == 6  # three kinds of two runs
    totals: dict[str, float] = {}
    for bar in bars[:3]:
        for name, share in zip(bar["y"], bar["x"], strict=True):
            totals[name] = totals.get(name, 0.0) + share
    for name, total in totals.items():
        assert total == pytest.approx(1 - evidence.scores().class_iou[name])
    button = next(each for each in at.button if each.key and each.key.startswith("part-"))
    _, train_id, kind = button.key.split("-")
    button.click().run()
    query = {name: at.query_params.get(name) for name in ("view", "truth", "kind", "of")}
    expected = {"view": "Regions", "truth": train_id, "kind": ERROR_KINDS[int(kind)]}
    assert query == expected | {"of": runs["First"].id}


def test_a_threshold_changes_the_scores_and_the_picture(
    open_view: Callable[..., AppTest], runs: dict[str, RunDir]
) -> None:
    histogram = evidence_of(runs["First"]).confidence().histogram
    everything, sure = answered(histogram, 0), answered(histogram, 8)
    assert everything.coverage == 1
    at = open_view("How sure?", "First", least="25%", sure_class="road")
    row = at.table[-1].value.iloc[0]
    assert row["Coverage"] == f"{sure.coverage:.1%}"
    assert row["Mean IoU"] == f"{sure.mean_iou:.1%}"
    assert len(charts_of(at)["reliability"]["data"]) == 3  # diagonal, all classes, road
    assert not at.error
    assert viewer_data(at)["pictures"][0]["confidence"]


def test_the_calibration_of_each_class_is_that_of_its_counts(
    open_view: Callable[..., AppTest], runs: dict[str, RunDir]
) -> None:
    expected = [class_calibration(evidence_of(runs[t]).confidence()) for t in ("First", "Second")]
    table = open_view("How sure?", "First").dataframe[0].value
    assert table["Predicted as"].tolist() == list(CLASS_NAMES)
    np.testing.assert_allclose(table["ECE"], expected[0].error)
    gap = expected[0].confidence - expected[0].accuracy
    np.testing.assert_allclose(table["Too sure by"], gap)
    both = open_view("How sure?", "First", "Second").dataframe[0].value
    for position, own in enumerate(expected):
        np.testing.assert_allclose(both[f"error-{position}"], own.error)


def test_pixels_below_the_threshold_are_left_out_of_the_prediction(
    runs: dict[str, RunDir], made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    published: list[Any] = []
    monkeypatch.setattr(
        evidence_pictures,
        "publish",
        lambda content, kind: published.append(png.decode_grey(content)) or "somewhere",
    )
    evidence = evidence_of(runs["First"])
    each = RunEvidence(ChosenRun(runs["First"], "First", None, ""), 0, evidence, np.arange(5))
    name = evidence.store.names[0]
    evidence_picture(Folders(made, runs["First"].path.parent), each, name, least_bin=12)
    mask, prediction, confidence = published
    assert (mask[prediction == IGNORE] == IGNORE).all()  # what is left out is no error
    assert prediction.shape == confidence.shape == (32, 64)
    np.testing.assert_array_equal(prediction == IGNORE, confidence < 12 * 8)
    assert 0 < np.count_nonzero(prediction == IGNORE) < prediction.size


def test_evidence_without_pictures_says_what_to_do(
    open_view: Callable[..., AppTest], runs: dict[str, RunDir]
) -> None:
    shutil.rmtree(evidence_of(runs["First"]).folder / "pictures")
    at = open_view("How sure?", "First")
    assert "has no pictures of val/tiny/tiny" in words(at)
    assert len(at.get("plotly_chart")) == 2


def test_every_frame_has_each_score_and_property(runs: dict[str, RunDir], made: Path) -> None:
    evidence = evidence_of(runs["First"])
    frames = np.array([3, 1])
    each = RunEvidence(ChosenRun(runs["First"], "First", None, ""), 0, evidence, frames)
    folders = Folders(made, runs["First"].path.parent)
    for quantity in (SCORES | PROPERTIES).values():
        values = values_of(quantity, each, folders, CLASS_NAMES.index("road"))
        assert values.shape == (2,)
        assert np.isfinite(values).all()
        assert not quantity.is_share or (0 <= values.min() <= values.max() <= 1)


def test_objects_and_order_are_those_of_the_annotations(
    runs: dict[str, RunDir], made: Path
) -> None:
    evidence = evidence_of(runs["First"])
    each = RunEvidence(ChosenRun(runs["First"], "First", None, ""), 0, evidence, np.arange(5))
    folders = Folders(made, runs["First"].path.parent)
    assert values_of(PROPERTIES["Objects"], each, folders, 0).tolist() == [1] * 5  # a car in each
    assert values_of(PROPERTIES["Frame order"], each, folders, 0).tolist() == [1, 2, 3, 4, 5]


def test_the_worst_frames_come_first_and_a_picked_one_is_opened(
    open_view: Callable[..., AppTest], runs: dict[str, RunDir]
) -> None:
    evidence = evidence_of(runs["First"])
    names = evidence.store.names
    at = open_view("Which frames?", "First", "Second", picked=names[2])
    data = viewer_data(at)
    order = np.argsort(evidence.frame_scores.mean_iou, kind="stable")
    assert data["gallery"]["names"] == [names[index] for index in order]
    assert {"prediction", "confidence", "overlay"} <= set(data["gallery"]["kinds"])
    assert data["start"] == names[2]
    assert not at.error
