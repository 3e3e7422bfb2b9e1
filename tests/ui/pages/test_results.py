"""The page Results without a browser: runs with and without scores, and damaged files.

Also tests: ui/cached, ui/results/*.
"""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boxes
import numpy as np
import pytest
from reviews import flag
from streamlit.testing.v1 import AppTest
from tiny_runs import make_city, make_run, trained
from waiting import PATIENCE_SECONDS

from cityseg.data import find_frames
from cityseg.defaults import DATASET_VARIABLE, RUNS_VARIABLE
from cityseg.evaluation import load_evaluation
from cityseg.evaluation.checkpoint import evaluate
from cityseg.jobs import Task
from cityseg.labels import CLASS_NAMES
from cityseg.metrics.confusions import confused_frames, frame_scores
from cityseg.runs import BoxRun
from cityseg.runs.folder import RunDir
from cityseg.ui.formatting import percent
from cityseg.ui.results.settings import differing
from cityseg.ui.results.summary import difference_text
from cityseg.ui.text import plain

MAIN = Path(__file__).parents[3] / "cityseg" / "ui" / "pages" / "main.py"
HOSTILE = "<b>[road](x)</b> *the* `best`"
ROAD, SKY = CLASS_NAMES.index("road"), CLASS_NAMES.index("sky")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A city, and beside it two runs: an evaluated one and one that is not."""
    data = make_city(tmp_path_factory.mktemp("results") / "city")
    evaluated = trained(data, title="Evaluated", epochs=3)
    evaluate(evaluated.best, data).write(evaluated.scores_file("val"))
    trained(data, title=HOSTILE, epochs=1)
    return data


@pytest.fixture(autouse=True)
def _empty_box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever ships: tests that want a network in the box fill it."""
    boxes.empty_box(tmp_path, monkeypatch)


@pytest.fixture
def data(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the runs for a test to change; the city is shared."""
    shutil.copytree(made.parent / "runs", tmp_path / "runs", ignore=lambda *_: [".store"])
    monkeypatch.setenv(DATASET_VARIABLE, str(made))
    monkeypatch.setenv(RUNS_VARIABLE, str(tmp_path / "runs"))
    return made


@pytest.fixture
def runs(data: Path, tmp_path: Path) -> tuple[RunDir, RunDir]:
    """The evaluated run, and the other."""
    found = [RunDir(path) for path in (tmp_path / "runs").iterdir()]
    found.sort(key=lambda run: run.config().title != "Evaluated")
    return found[0], found[1]


@pytest.fixture
def open_page(data: Path) -> Callable[..., AppTest]:
    """The page at an address with these parameters."""

    def open_page(**parameters: Any) -> AppTest:
        at = AppTest.from_file(MAIN, default_timeout=PATIENCE_SECONDS)
        at.switch_page("results.py")
        for name, value in parameters.items():
            at.query_params[name] = value
        at.run()
        assert not at.exception
        return at

    return open_page


def shown_scores(at: AppTest) -> list[dict[str, Any]]:
    """The rows of the first table; the names in its index are Markdown."""
    table = at.table[0].value
    return [
        {"Run": name, **row}
        for name, row in zip(table.index, table.to_dict("records"), strict=True)
    ]


def words(at: AppTest) -> str:
    kinds = (at.markdown, at.info, at.error, at.warning, at.caption)
    return "\n".join(element.value for kind in kinds for element in kind)


def test_no_download_depends_on_a_file_that_the_next_rerun_removes(
    open_page: Callable[..., AppTest],
) -> None:
    buttons = open_page(view="Table").get("download_button")
    assert len(buttons) == 2
    assert all(button.proto.deferred_file_id for button in buttons)


def test_an_evaluation_with_a_review_shows_what_the_labels_are_to_blame_for(
    open_page: Callable[..., AppTest], data: Path, runs: tuple[RunDir, RunDir], tmp_path: Path
) -> None:
    frame = next(each for each in find_frames(data) if each.split == "val")
    ledger = flag(tmp_path / "ledger.jsonl", frame, np.ones((16, 64), np.bool_))
    result = evaluate(runs[0].best, data, review=ledger)
    result.write(runs[0].scores_file("val"))
    review = result.review
    assert review
    at = open_page(run=runs[0].id, view="Table")
    said = words(at)
    assert "Without 1 region of 1 frame whose labels are wrong by the review: mean IoU" in said
    assert f"{percent(review.mean_iou)} instead of" in said
    assert "of the wrong pixels lie there, where the labels are wrong" in said
    kinds = at.dataframe[0].value["Score"].tolist()
    assert kinds.count("Without wrong labels") == 5


def test_without_runs_the_way_to_the_first_is_shown(
    open_page: Callable[..., AppTest], runs: Any, tmp_path: Path
) -> None:
    shutil.rmtree(tmp_path / "runs")
    at = open_page()
    assert "There are no runs" in words(at)
    assert [link.proto.label for link in at.get("page_link")] == ["Train a network"]


def test_an_evaluated_run_has_its_official_scores(
    open_page: Callable[..., AppTest], runs: tuple[RunDir, RunDir]
) -> None:
    evaluation = load_evaluation(runs[0], "val")
    assert evaluation
    (row,) = shown_scores(open_page(run=runs[0].id))
    assert row["Source"] == "Evaluation on val"
    assert row["Mean IoU"] == evaluation.scores.mean_iou
    assert row["Pixel accuracy"] == evaluation.scores.pixel_accuracy
    assert row["Frames"] == 5


def test_scores_of_training_are_labelled_as_validation(
    open_page: Callable[..., AppTest], runs: tuple[RunDir, RunDir]
) -> None:
    at = open_page(run=runs[1].id)
    (row,) = shown_scores(at)
    assert row["Source"] == "Validation in training"
    assert row["Mean IoU"] == runs[1].metrics()[-1]["mean_iou"]
    assert "not the official score" in words(at)
    assert "64×32" in words(at)
    assert "Evaluation on val: 1 of 1 run to do" in [each.label for each in at.expander]


@pytest.mark.parametrize("view", ["Confusion", "Frames"])
def test_a_view_that_needs_an_evaluation_says_so(
    open_page: Callable[..., AppTest], runs: tuple[RunDir, RunDir], view: str
) -> None:
    assert "This view needs an evaluation" in words(open_page(run=runs[1].id, view=view))


def test_the_newest_run_is_shown_if_the_address_names_none(
    open_page: Callable[..., AppTest], runs: tuple[RunDir, RunDir]
) -> None:
    at = open_page(run="20250101-000000-unet-00000000")
    assert at.multiselect[0].value == [max(run.id for run in runs)]


def test_runs_that_are_asked_for_twice_are_shown_once_and_unknown_ones_are_named(
    open_page: Callable[..., AppTest], runs: tuple[RunDir, RunDir]
) -> None:
    ids = [runs[0].id, runs[1].id]
    at = open_page(run=[*ids, ids[0], "gone"], view="Table")
    assert at.multiselect[0].value == ids
    assert "There is no run gone here." in words(at)


def test_more_runs_than_can_be_compared_are_cut_and_that_is_told(
    open_page: Callable[..., AppTest], runs: tuple[RunDir, RunDir]
) -> None:
    copies = [
        shutil.copytree(runs[0].path, runs[0].path.with_name(f"copy-{n}-{runs[0].id}"))
        for n in range(7)
    ]
    at = open_page(run=[copy.name for copy in copies], view="Table")
    assert at.multiselect[0].value == [copy.name for copy in copies[:6]]
    assert "At most 6 runs are compared: these are the first." in words(at)


def test_a_newer_run_without_scores_is_not_the_first_to_be_shown(
    open_page: Callable[..., AppTest], made: Path, runs: tuple[RunDir, RunDir], tmp_path: Path
) -> None:
    fresh = make_run(made, title="Fresh")
    shutil.move(fresh.path, tmp_path / "runs" / "20990101-000000-unet-0badcafe")
    assert open_page().multiselect[0].value == [max(run.id for run in runs)]


def test_a_link_overrides_the_earlier_choice(
    open_page: Callable[..., AppTest], runs: tuple[RunDir, RunDir]
) -> None:
    at = open_page(run=runs[0].id)
    at.multiselect[0].set_value([runs[1].id]).run()
    assert at.query_params["run"] == runs[1].id
    at.query_params["run"] = runs[0].id
    assert at.run().multiselect[0].value == [runs[0].id]


def test_an_empty_choice_of_runs_is_kept(
    open_page: Callable[..., AppTest], runs: tuple[RunDir, RunDir]
) -> None:
    at = open_page(run=runs[0].id)
    at.multiselect[0].set_value([]).run()
    assert at.run().multiselect[0].value == []
    assert "Choose a run" in words(at)


def test_official_and_provisional_scores_are_compared_with_a_warning(
    open_page: Callable[..., AppTest], runs: tuple[RunDir, RunDir]
) -> None:
    at = open_page(run=[run.id for run in runs])
    assert len(shown_scores(at)) == 2
    assert "Some of these scores come from the validation in training" in at.warning[0].value


def test_on_the_training_frames_only_evaluations_count(
    open_page: Callable[..., AppTest], runs: tuple[RunDir, RunDir]
) -> None:
    at = open_page(run=[run.id for run in runs], scores_on="train")
    assert not any("Mean IoU" in table.value.columns for table in at.table)
    assert words(at).count("Not evaluated on train yet") == 2


def test_titles_are_text_and_equal_ones_get_the_end_of_the_id(
    open_page: Callable[..., AppTest], runs: tuple[RunDir, RunDir], tmp_path: Path
) -> None:
    twin = tmp_path / "runs" / "20240101-000000-unet-0badcafe"
    shutil.copytree(runs[1].path, twin)
    at = open_page(run=[twin.name, runs[1].id])
    names = [row["Run"] for row in shown_scores(at)]
    assert names == [plain(f"{HOSTILE} (0badcafe)"), plain(f"{HOSTILE} ({runs[1].id[-8:]})")]
    assert HOSTILE not in words(at)
    assert r"\<b\>\[road\]" in words(at)


@pytest.mark.parametrize("view", ["Classes", "History", "Confusion", "Frames", "Table"])
def test_every_view_shows_an_evaluated_run(
    open_page: Callable[..., AppTest], runs: tuple[RunDir, RunDir], view: str
) -> None:
    at = open_page(run=[run.id for run in runs], view=view)
    assert not at.error
    assert len(at.get("plotly_chart")) == (view in ("Classes", "History", "Confusion"))
    assert len(at.dataframe) == (view == "Table")


def test_settings_that_differ_are_a_table_with_a_column_for_each_run(
    open_page: Callable[..., AppTest], runs: tuple[RunDir, RunDir]
) -> None:
    at = open_page(run=[run.id for run in runs])
    table = at.table[1].value
    assert list(table.columns) == ["Evaluated", plain(HOSTILE)]
    assert table.loc["Epochs"].tolist() == ["3", "1"]
    assert "Title" not in table.index
    assert len(open_page(run=runs[0].id).table) == 1


def test_settings_of_different_versions_are_compared() -> None:
    settings = [{"epochs": 1, "loss": "dice"}, {"epochs": 1}, {"epochs": 2, "loss": "dice"}]
    assert differing(settings) == {"epochs": [1, 1, 2], "loss": ["dice", None, "dice"]}


@pytest.mark.parametrize(
    ("score", "text"),
    [
        (0.5, "50.0%"),
        (0.512, "51.2% :small[:green[+1.2]]"),
        (0.4951, "49.5% :small[:red[-0.5]]"),
        (0.5001, "50.0%"),
        (np.nan, "–"),
    ],
)
def test_a_difference_to_the_first_run_stands_beside_the_score(score: float, text: str) -> None:
    assert difference_text(0.5)(score) == text


def test_differences_are_explained_where_there_are_some(
    open_page: Callable[..., AppTest], runs: tuple[RunDir, RunDir]
) -> None:
    assert "differences to the first run" in words(open_page(run=[run.id for run in runs]))
    assert "differences to the first run" not in words(open_page(run=runs[0].id))


def test_a_button_leads_to_each_of_the_largest_errors(
    open_page: Callable[..., AppTest], runs: tuple[RunDir, RunDir]
) -> None:
    at = open_page(run=runs[0].id, view="Confusion")
    errors = [button for button in at.button if button.key and button.key.startswith("error-")]
    assert errors
    truth, predicted = errors[0].label.partition(" · ")[0].split(" → ")
    errors[0].click().run()
    assert at.selectbox(key="truth").value == truth
    assert at.selectbox(key="predicted").value == predicted
    assert "of the pixels of that class" in words(at)
    at.button(key="regions-behind").click().run()
    assert not at.exception
    assert at.query_params["view"] == "Regions"
    pair = (CLASS_NAMES.index(truth), CLASS_NAMES.index(predicted))
    assert (at.query_params["truth"], at.query_params["prediction"]) == tuple(map(str, pair))


@pytest.mark.parametrize("curve", ["Loss", "IoU of a class", "Learning rate"])
@pytest.mark.parametrize("iou_of", ["Classes", "Categories", "Instances"])
def test_every_choice_of_a_chart_can_be_drawn(
    open_page: Callable[..., AppTest], runs: tuple[RunDir, RunDir], curve: str, iou_of: str
) -> None:
    expected = {"Classes": {"iou_of": iou_of, "order": "Best first"}, "History": {"curve": curve}}
    for view in expected:
        at = open_page(run=runs[0].id, view=view, iou_of=iou_of, curve=curve, order="Best first")
        controls = {group.key: group.value for group in at.button_group}
        assert controls.items() >= expected[view].items()
        assert len(at.get("plotly_chart")) == 1


def test_a_confusion_in_the_address_lists_its_frames_with_links(
    open_page: Callable[..., AppTest], runs: tuple[RunDir, RunDir]
) -> None:
    evaluation = load_evaluation(runs[0], "val")
    assert evaluation
    frames = confused_frames(evaluation.store, SKY, SKY)
    at = open_page(run=runs[0].id, view="Confusion", truth="sky", predicted="sky")
    links = [link.proto.query_string for link in at.get("page_link")]
    assert frames
    assert links == [f"frame={frame.name.replace('/', '%2F')}" for frame in frames]
    assert f"{frames[0].pixels:,} pixels" in words(at)


@pytest.mark.parametrize(
    ("by", "first"),
    [("Mean IoU", "Worst"), ("Pixel accuracy", "Best"), ("IoU of a class", "Worst")],
)
def test_frames_are_ranked_and_the_first_is_predicted(
    open_page: Callable[..., AppTest], runs: tuple[RunDir, RunDir], by: str, first: str
) -> None:
    evaluation = load_evaluation(runs[0], "val")
    assert evaluation
    scores = frame_scores(evaluation.store)
    values = {
        "Mean IoU": scores.mean_iou,
        "Pixel accuracy": scores.pixel_accuracy,
        "IoU of a class": scores.class_iou[:, ROAD],
    }[by]
    at = open_page(run=runs[0].id, view="Frames", by=by, by_class="road", first=first)
    expected = np.min(values) if first == "Worst" else np.max(values)
    (frames,) = [radio for radio in at.radio if radio.key == "looked_at"]
    assert values[evaluation.store.names.index(frames.value)] == expected
    components = [each.proto.component_name for each in at.get("bidi_component")]
    assert components.count("cityseg_viewer") == 1


def test_damaged_scores_are_explained_and_the_page_stays_usable(
    open_page: Callable[..., AppTest], runs: tuple[RunDir, RunDir]
) -> None:
    runs[0].scores_file("val").write_text("{")
    at = open_page(run=runs[0].id)
    assert "is damaged or holds no scores" in at.error[0].value
    assert shown_scores(at)[0]["Source"] == "Validation in training"
    assert at.get("plotly_chart")


def test_a_damaged_checkpoint_is_explained_and_the_page_stays_usable(
    open_page: Callable[..., AppTest], runs: tuple[RunDir, RunDir]
) -> None:
    content = bytearray(runs[0].best.read_bytes())
    content[-1] ^= 1
    runs[0].best.write_bytes(content)
    at = open_page(run=runs[0].id, view="Frames")
    assert "its digest differs" in at.error[0].value
    assert any(radio.key == "looked_at" for radio in at.radio)


def test_frames_that_are_not_in_the_dataset_are_explained(
    open_page: Callable[..., AppTest],
    runs: tuple[RunDir, RunDir],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(DATASET_VARIABLE, str(make_city(tmp_path / "other", 1, 0)))
    at = open_page(run=runs[0].id, view="Frames")
    assert "has no picture of val/tiny/tiny" in at.error[0].value.replace("\\", "")


def test_an_altered_row_that_the_list_does_not_read_costs_only_its_run(
    open_page: Callable[..., AppTest], runs: tuple[RunDir, RunDir]
) -> None:
    evaluated, other = runs
    rows = other.metrics_file.read_text()
    train_row = rows.splitlines()[0] + "\n"
    assert '"train"' in train_row
    epoch_row = rows.splitlines()[-1] + "\n"
    altered = '{"kind": "epoch", "epoch": 1e999}\n'
    other.metrics_file.write_text(altered + train_row * 200 + epoch_row * 2)
    at = open_page(run=[evaluated.id, other.id])
    assert "epoch is inf, not a whole number" in at.error[0].value.replace("\\", "")
    assert [row["Run"] for row in shown_scores(at)] == ["Evaluated"]


def test_a_broken_run_hides_only_itself(
    open_page: Callable[..., AppTest], runs: tuple[RunDir, RunDir], tmp_path: Path
) -> None:
    (tmp_path / "runs" / "20240101-000000-unet-0badcafe").mkdir()
    at = open_page()
    (unreadable,) = [each.value for each in at.caption if each.value.startswith("Unreadable")]
    assert "0badcafe" in unreadable
    assert len(at.multiselect[0].options) == 2


def test_better_weights_since_the_evaluation_are_announced(
    open_page: Callable[..., AppTest], runs: tuple[RunDir, RunDir]
) -> None:
    row = runs[0].metrics()[-1]
    runs[0].append_metrics(row | {"epoch": 9, "mean_iou": 1.0})
    assert "Epoch 9 is better: evaluate again" in words(open_page(run=runs[0].id))


def test_a_run_without_a_checkpoint_cannot_be_evaluated_yet(
    open_page: Callable[..., AppTest], made: Path, runs: Any, tmp_path: Path
) -> None:
    fresh = make_run(made, title="Fresh")
    shutil.move(fresh.path, tmp_path / "runs")
    at = open_page(run=fresh.id)
    assert "Wait for the end of its first epoch." in words(at)
    assert [button.disabled for button in at.button if button.label == "Evaluate"] == [True]


def test_scores_of_another_dataset_are_named_before_they_are_replaced(
    open_page: Callable[..., AppTest],
    made: Path,
    runs: tuple[RunDir, RunDir],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    started: list[tuple[Any, ...]] = []
    monkeypatch.setattr(Task, "start", lambda task, *arguments: started.append(arguments))
    assert "will be replaced" not in words(open_page(run=runs[0].id))
    other = tmp_path / "other"
    other.symlink_to(made)
    monkeypatch.setenv(DATASET_VARIABLE, str(other))
    at = open_page(run=runs[0].id)
    assert f"The scores on {made} will be replaced by scores on {other}" in words(at).replace(
        "\\", ""
    )
    (button,) = (each for each in at.button if each.label == "Replace the scores")
    button.click().run()
    assert started == [(runs[0].path, "--data", other, "--split", "val")]
    assert "will be replaced" not in words(open_page(run=runs[1].id))  # which has no scores


def test_no_folder_is_a_formula_in_the_csv_of_the_table(
    open_page: Callable[..., AppTest], runs: tuple[RunDir, RunDir]
) -> None:
    runs[0].path.rename(runs[0].path.with_name("=1+1"))
    (table,) = open_page(view="Table", run="=1+1").dataframe
    assert "\N{WORD JOINER}=1+1" in table.value.columns


@pytest.fixture
def box(runs: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BoxRun:
    boxes.fill_box(tmp_path / "box", monkeypatch)
    return BoxRun.below(tmp_path / "runs")


def test_the_network_in_the_box_is_compared_with_runs(
    open_page: Callable[..., AppTest], runs: tuple[RunDir, RunDir], made: Path, box: BoxRun
) -> None:
    evaluate("box", made).write(box.scores_file("val"))
    at = open_page(run=["box", runs[0].id])
    names = [plain("Street network (in the box)"), "Evaluated"]
    assert [row["Run"] for row in shown_scores(at)] == names
    assert "on 5 val frames of" in words(at)
    assert "another dataset" not in words(at)
    for view in ("History", "Frames", "Table"):
        assert not open_page(run=["box", runs[0].id], view=view).error


def test_the_scores_of_its_own_validation_are_shown_before_an_evaluation(
    open_page: Callable[..., AppTest], box: BoxRun
) -> None:
    at = open_page(run="box", view="History", curve="Loss")
    (row,) = shown_scores(at)
    assert (row["Source"], row["Mean IoU"]) == ("Validation in training", 0.5)
    assert not at.error
    at = open_page(run="box", view="History", curve="Learning rate")
    assert "None of these runs has recorded this" in words(at)  # in place of an empty chart


def test_without_runs_the_box_is_shown(
    open_page: Callable[..., AppTest], box: BoxRun, tmp_path: Path
) -> None:
    shutil.rmtree(tmp_path / "runs")
    assert open_page().multiselect[0].value == ["box"]


def test_an_evaluation_of_the_box_begins_with_its_name(
    open_page: Callable[..., AppTest], made: Path, box: BoxRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[tuple[Any, ...]] = []
    monkeypatch.setattr(Task, "start", lambda self, *arguments: started.append(arguments) or True)
    at = open_page(run="box")
    at.button(key="start-box-val").click().run()
    out = ("--out", box.scores_file("val"))
    assert started == [("box", *out, "--data", made, "--split", "val")]
