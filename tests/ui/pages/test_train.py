"""The page Train without a browser: the form, one start for one click, and runs in every state.

Also tests: ui/train/*.
"""

import functools
import json
import os
import re
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boxes
import numpy as np
import pytest
from reviews import flag
from streamlit.testing.v1 import AppTest
from tiny_runs import HEIGHT, WIDTH, make_city, tiny_config, trained
from waiting import PATIENCE_SECONDS, until

from cityseg import jobs
from cityseg.config import TrainConfig, make_config
from cityseg.data import find_frames
from cityseg.defaults import DATASET_VARIABLE, RUNS_VARIABLE
from cityseg.errors import ModelError, PlaceError, RunError
from cityseg.estimates.step_cost import StepCost
from cityseg.jobs import LocalMachine, Machine, RunGroup, start
from cityseg.jobs.groups import written_down
from cityseg.jobs.tracking import TrackingState
from cityseg.models import model_of
from cityseg.places import CONFIG_VARIABLE
from cityseg.presets import PRESETS
from cityseg.review import ledger_file
from cityseg.runs.checkpoints import save_weights
from cityseg.runs.folder import RunDir
from cityseg.runs.notes import Notes, read_notes, write_notes
from cityseg.system import Lock
from cityseg.system.files import write_json
from cityseg.ui.text import plain
from cityseg.ui.train import costs, measurements, starting
from cityseg.ui.train.settings_form import ESSENTIALS, GROUPS

MAIN = Path(__file__).parents[3] / "cityseg" / "ui" / "pages" / "main.py"
HOSTILE = "<img src=x onerror=alert(1)> *of* [mine](x)"
COST = StepCost(123_000_000, 10**6, 10**8, 10**9, 10**12)
#: What the form needs to train on the tiny city in a moment.
TINY = {"width": 2, "size": f"{HEIGHT}x{WIDTH}", "batch_size": 2, "epochs": 1}


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_city(tmp_path_factory.mktemp("train") / "city")


@pytest.fixture(autouse=True)
def runs(city: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder of runs; no job outlives the test."""
    folder = tmp_path / "runs"
    monkeypatch.setenv(DATASET_VARIABLE, str(city))
    monkeypatch.setenv(RUNS_VARIABLE, str(folder))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setattr(costs, "measure_step", lambda config, **settings: COST)
    measurements.forget_all()  # what pages of other tests measured
    yield folder
    for entry in jobs.list_runs(folder):
        jobs.stop(entry.run)


def open_page(**parameters: str) -> AppTest:
    """The page at an address with these parameters, with all that can be unfolded."""
    at = AppTest.from_file(MAIN, default_timeout=PATIENCE_SECONDS)
    at.session_state["train_all_settings"] = at.session_state["train_variants"] = True
    at.switch_page("train.py")
    for name, value in parameters.items():
        at.query_params[name] = value
    return redrawn(at)


def redrawn(at: AppTest) -> AppTest:
    at.run()
    assert not at.exception
    return at


def field(at: AppTest, name: str) -> Any:
    """The widget of a setting, of its present edition."""
    kinds = (at.text_input, at.selectbox, at.toggle, at.number_input)
    key = at.session_state["train_form"].key(name)
    return next(each for kind in kinds for each in kind if each.key == key)


def preset(at: AppTest) -> Any:
    return at.segmented_control(key=at.session_state["train_form"].key("preset"))


def fill(at: AppTest, **values: Any) -> AppTest:
    for name, value in values.items():
        field(at, name).set_value(value)
    return redrawn(at)


def button(at: AppTest, label: str) -> Any:
    return next(each for each in at.button if each.label == label)


def note_field(widgets: Any, label: str) -> Any:
    """A field of what people say about the run: its key has a digest of what they said before."""
    return next(each for each in widgets if each.label == label and "-" in each.key)


def words(at: AppTest) -> str:
    kinds = (at.header, at.markdown, at.info, at.error, at.warning, at.caption)
    return "\n".join(element.value for kind in kinds for element in kind)


# The form


def test_every_setting_has_one_place_in_the_form() -> None:
    placed = ["title", *ESSENTIALS, *(name for names in GROUPS.values() for name in names)]
    assert sorted(placed) == sorted(TrainConfig.model_fields)


def test_the_form_of_a_first_visit_is_the_reference_recipe(city: Path, runs: Path) -> None:
    at = open_page()
    for name, value in make_config({}).model_dump(mode="json").items():
        shown = "" if value is None or name == "data" else value
        assert field(at, name).value == shown, name


def test_settings_that_are_folded_away_are_kept() -> None:
    at = fill(open_page(), flip=True)
    at.session_state["train_all_settings"] = False
    assert "Mirror" not in [each.label for each in redrawn(at).toggle]
    fill(at, epochs=7)
    at.session_state["train_all_settings"] = True
    redrawn(at)
    assert (field(at, "flip").value, field(at, "epochs").value) == (True, 7)
    at.session_state["train_all_settings"] = False
    preset(redrawn(at)).set_value("fast")
    redrawn(at)
    at.session_state["train_all_settings"] = True
    expected = make_config({}, "fast").model_dump(mode="json")
    shown = {name: field(redrawn(at), name).value for name in ("flip", "schedule", "epochs")}
    assert shown == {name: expected[name] for name in shown}


def test_a_preset_fills_the_form_and_leaves_the_name() -> None:
    at = fill(open_page(), title="Mine")
    preset(at).set_value("demo")
    redrawn(at)
    shown = [field(at, name).value for name in ("width", "size", "epochs", "flip", "title")]
    assert shown == [16, "128x256", 40, True, "Mine"]
    assert preset(at).value == "demo"


def test_a_changed_preset_is_marked_and_there_is_a_way_back() -> None:
    at = open_page()
    preset(at).set_value("demo")
    fill(redrawn(at), epochs=7, title="Mine")
    assert "Demo, changed" in words(at)
    assert [each.value for each in at.caption if "Demo has" in each.value] == [
        ":orange[:material/edit: Demo has 40]"
    ]
    button(at, "Back to Demo").click()
    redrawn(at)
    assert (field(at, "epochs").value, field(at, "title").value) == (40, "Mine")
    assert "Demo, changed" not in words(at)


def test_an_edit_that_was_made_before_a_preset_arrived_leaves_no_mixture() -> None:
    at = open_page()
    old = {name: field(at, name).id for name in ("epochs", "width")}
    preset(at).set_value("demo")
    redrawn(at)
    # As a browser does that has not yet seen the preset: with the values of all fields before it.
    states = at._tree.get_widget_states()
    states.widgets.add(id=old["width"], int_value=64)
    states.widgets.add(id=old["epochs"], int_value=11)
    at._run(states)
    assert preset(at).value == "demo"
    assert (field(at, "width").value, field(at, "epochs").value) == (16, 11)
    assert "Demo, changed" in words(at)


def test_nothing_starts_with_a_button_of_other_settings(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = fill(open_page(), **TINY)
    stale = button(at, "Start training")
    preset(at).set_value("demo")
    stale.click()
    redrawn(at)
    assert "nothing was started" in words(at)
    assert jobs.list_runs(runs) == []


def test_a_preset_explains_its_settings() -> None:
    at = open_page()
    for name, each in PRESETS.items():
        preset(at).set_value(name)
        assert plain(each.why) in words(redrawn(at))


def test_settings_that_do_nothing_are_told_by_their_labels() -> None:
    at = open_page()
    assert "do nothing" not in words(at)
    fill(at, class_weights="inverse_log", loss="dice", warmup_steps=1000)
    assert plain("“Class weights” inverse_log do nothing with the loss dice.") in words(at)
    assert plain("“Warm-up steps” is 1,000, but the training has") in words(at)


def test_the_learning_rate_follows_the_batch_size_until_one_is_typed() -> None:
    at = fill(open_page(), batch_size=32)
    assert field(at, "learning_rate").value == 0.0002
    fill(at, batch_size=0)
    assert field(at, "learning_rate").value == 0.0002
    fill(at, batch_size=2)
    assert field(at, "learning_rate").value == 5e-05
    fill(at, learning_rate=0.01)
    fill(at, batch_size=8)
    assert field(at, "learning_rate").value == 0.01


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("epochs", 0, "It must be a whole number, at least 1 and at most 10000."),
        ("learning_rate", 11.0, "It must be a number, above 0 and at most 10.0."),
        ("size", "16", "Write HEIGHTxWIDTH, each from 16 to 4096, such as 256x512."),
        ("crop", "8x8", "Write HEIGHTxWIDTH, each from 16 to 4096, such as 256x512."),
    ],
)
def test_a_problem_is_shown_at_its_field_and_nothing_can_be_started(
    name: str, value: Any, message: str
) -> None:
    at = fill(open_page(), **{name: value})
    assert plain(message) in words(at).split("Not ready to start")[1]
    assert [each for each in at.caption if plain(message) in each.value]
    assert button(at, "Start training").disabled


def test_the_ledger_of_the_dataset_is_chosen_and_a_missing_one_is_explained(
    city: Path, runs: Path
) -> None:
    own = ledger_file(city, runs)
    frame = next(each for each in find_frames(city) if each.split == "train")
    flag(own, frame, np.ones((2, 2), np.bool_))
    at = open_page()
    assert field(at, "review").options == ["None", "That of the dataset"]
    fill(at, review=str(own))
    assert "There is no review ledger" not in words(at)
    own.unlink()
    assert f"There is no review ledger {plain(own)}" in words(redrawn(at))


def test_conflicting_settings_are_explained_beside_the_button() -> None:
    at = fill(open_page(), crop="512x1024")
    assert "The crop 512x1024 is larger than the size 256x512" in words(at)
    assert button(at, "Start training").disabled


def test_without_masks_the_page_says_so_and_leads_to_them(city: Path, tmp_path: Path) -> None:
    bare = shutil.copytree(city, tmp_path / "bare", ignore=lambda *_: ["masks"])
    at = fill(open_page(), data=str(bare))
    assert "No frame to train on or to validate with has a mask yet" in words(at)
    assert [link.proto.label for link in at.get("page_link")] == ["Make the masks"]
    assert button(at, "Start training").disabled


def test_a_dataset_that_is_not_there_is_explained(tmp_path: Path) -> None:
    at = fill(open_page(), data=str(tmp_path / "nowhere"))
    assert "nowhere" in at.info[0].value
    assert button(at, "Start training").disabled


# What it will take


def test_a_rough_estimate_is_there_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    is_measured = threading.Event()

    def measure(config: TrainConfig, **settings: Any) -> StepCost:
        is_measured.wait()
        return COST

    monkeypatch.setattr(costs, "measure_step", measure)
    try:
        at = open_page()
        assert "31 million parameters" in words(at)
        assert "Very roughly" in words(at)
        assert at.metric[0].value.startswith("~ ")
        assert not button(at, "Start training").disabled
    finally:
        is_measured.set()


def test_the_cost_of_a_run_is_shown_beside_the_button() -> None:
    at = open_page()
    until(lambda: "123 million parameters" in words(redrawn(at)))
    assert "123 million parameters" in words(at)
    assert "10 frames to train on, 5 to validate on" in words(at)
    assert [metric.label for metric in at.metric] == ["Time", "Memory"]
    assert "run just now" in words(at)


def test_memory_is_measured_with_every_setting_that_changes_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    measured: list[TrainConfig] = []

    def measure(config: TrainConfig, **settings: Any) -> StepCost:
        measured.append(config)
        return COST

    monkeypatch.setattr(costs, "measure_step", measure)
    values = {"norm": "group", "ema": 0.9, "label_smoothing": 0.1, "optimizer": "sgd"}
    fill(open_page(), **values)
    expected = make_config(values)
    until(lambda: any(all(getattr(m, n) == getattr(expected, n) for n in values) for m in measured))


def test_a_network_that_cannot_be_built_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(config: TrainConfig, **settings: Any) -> StepCost:
        raise ModelError(f"no encoder is called {HOSTILE}")

    monkeypatch.setattr(costs, "measure_step", refuse)
    at = fill(open_page(), model="unet:resnet34")
    until(lambda: redrawn(at).error)
    assert plain(f"No encoder is called {HOSTILE}.") in at.error[0].value


# Starting


def test_one_click_is_one_run_however_often_it_is_pressed(runs: Path) -> None:
    at = fill(open_page(), **TINY, device="cpu", title=HOSTILE)
    click = at.session_state["train_form"].click
    button(at, "Start training").click()
    redrawn(at)
    assert "Starting" in words(at)
    starting.begin(click, [make_config({})], runs, now=False)  # the same click once more
    until(lambda: redrawn(at).query_params.get("run"))
    (entry,) = jobs.list_runs(runs)
    assert at.query_params["run"] in (entry.id, [entry.id])
    assert at.header[0].value == plain(HOSTILE)
    assert at.session_state["train_form"].click != click

    until(lambda: jobs.state(entry.run).phase == "done")
    redrawn(at)
    assert at.query_params["run"] in (entry.id, [entry.id])
    assert "Best mean IoU" in [metric.label for metric in at.metric]


def test_a_double_click_does_not_stay_at_the_form(runs: Path) -> None:
    """Its second message can come before the page of the first one: it has the same values."""
    at = fill(open_page(), **TINY, device="cpu", title="Mine")
    button(at, "Start training").click()
    message = at._tree.get_widget_states()
    for _ in range(2):
        at._run(message)
        assert at.session_state["train_view"] == "Runs"
    until(lambda: redrawn(at).query_params.get("run"))
    assert at.header[0].value == "Mine"
    assert len(jobs.list_runs(runs)) == 1


@pytest.fixture
def may_start(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Runs are started only once this is set, as on a slow machine."""
    event = threading.Event()
    start = jobs.start

    def start_late(*arguments: Any, **settings: Any) -> RunDir:
        event.wait()
        return start(*arguments, **settings)

    monkeypatch.setattr(jobs, "start", start_late)
    yield event
    event.set()


def test_a_page_that_is_loaded_just_after_the_click_shows_the_start(
    runs: Path, may_start: threading.Event
) -> None:
    at = fill(open_page(), **TINY, device="cpu", title="Mine")
    button(at, "Start training").click()
    redrawn(at)
    reloaded = open_page()
    assert "Mine" in words(reloaded)
    assert "Starting" in words(reloaded)
    may_start.set()
    until(lambda: jobs.list_runs(runs) and not starting.pending(runs))
    assert redrawn(reloaded).header[0].value == "Mine"


def test_a_start_does_not_take_back_what_was_opened_after_it(
    runs: Path, city: Path, may_start: threading.Event
) -> None:
    other = RunDir.create(runs, tiny_config(city))
    at = open_page(run=other.id)
    at.segmented_control(key="train_view").set_value("New run")
    at = fill(redrawn(at), **TINY, device="cpu")
    button(at, "Start training").click()
    assert "Starting" in words(redrawn(at))
    at.segmented_control(key="train_view").set_value("New run")
    at.query_params["run"] = other.id
    redrawn(at)
    may_start.set()
    until(lambda: len(jobs.list_runs(runs)) == 2 and not starting.pending(runs))
    redrawn(at)
    assert at.session_state["train_view"] == "New run"
    assert field(at, "width").value == TINY["width"]
    assert at.query_params["run"] in (other.id, [other.id])


def test_a_start_that_fails_is_explained_beside_the_form(
    runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: Any, **settings: Any) -> RunDir:
        raise RunError("the disk is full")

    monkeypatch.setattr(jobs, "start", refuse)
    at = fill(open_page(), **TINY)
    button(at, "Start training").click()
    until(lambda: plain("The disk is full.") in words(redrawn(at)))
    assert field(at, "width").value == 2


def test_a_run_is_started_at_the_place_that_is_chosen_of_those_in_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def refuse(place: str) -> Machine:
        asked.append(place)
        raise PlaceError("Slurm does not answer: try later")

    assert "train_place" not in [each.key for each in open_page().selectbox]
    settings = tmp_path / "places.toml"
    settings.write_text("[slurm]\n")
    monkeypatch.setenv(CONFIG_VARIABLE, str(settings))
    monkeypatch.setattr(jobs, "machine_at", refuse)
    at = fill(open_page(), **TINY)
    assert at.selectbox(key="train_place").options == ["This machine", "Slurm"]
    assert plain(str(settings)) in at.selectbox(key="train_place").help
    at.selectbox(key="train_place").set_value("slurm")
    assert "The cluster decides when the run begins" in words(redrawn(at))
    button(at, "Start training").click()
    until(lambda: plain("Slurm does not answer: try later.") in words(redrawn(at)))
    assert asked == ["slurm"]
    for view in ("Runs", "New run"):
        at.session_state["train_view"] = view
        redrawn(at)
    assert at.selectbox(key="train_place").value == "slurm"
    settings.write_text('[ray]\naddress = "http://127.0.0.1:1"\n')
    assert redrawn(at).selectbox(key="train_place").value == "local"
    settings.write_text("[slrm]\n")
    at = open_page()
    assert plain("has a section slrm, which is not known") in words(at)
    assert not button(at, "Start training").disabled


def test_a_new_run_shows_that_others_are_ahead_of_it(
    runs: Path, monkeypatch: pytest.MonkeyPatch, city: Path
) -> None:
    RunDir.create(runs, tiny_config(city))
    (entry,) = jobs.list_runs(runs)
    with entry.run.locked():  # by hand: nobody says on which device
        at = open_page()
        at.session_state["train_view"] = "New run"
        redrawn(at)
        assert "1 run is on this device" in words(at)


# Runs


def test_without_runs_the_list_says_so() -> None:
    at = open_page()
    at.session_state["train_view"] = "Runs"
    assert "There are no runs in" in words(redrawn(at))


def test_a_lost_run_can_be_resumed(runs: Path, city: Path) -> None:
    run = RunDir.create(runs, tiny_config(city))
    at = open_page()
    assert "Its process has ended before the training began" in words(at)
    run.begin_attempt()
    run.trainer_file.write_text("{}")
    assert "Its process has ended and left no result" in words(redrawn(at))
    assert not button(at, "Resume").disabled


def test_a_run_whose_dataset_has_moved_is_resumed_with_its_new_path(
    runs: Path, city: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(DATASET_VARIABLE)
    run = RunDir.create(runs, tiny_config(tmp_path / "gone", epochs=1))
    at = open_page(run=run.id)
    button(at, "Resume").click()
    assert "There is no folder" in redrawn(at).error[0].value
    assert jobs.state(run).phase == "lost"
    next(each for each in at.text_input if each.key == f"resume-data-{run.id}").set_value(str(city))
    button(redrawn(at), "Continue with these").click()
    redrawn(at)
    until(lambda: jobs.state(run).phase == "done")
    assert run.config().data == city


def test_a_finished_run_that_gets_no_more_epochs_says_so(finished: RunDir) -> None:
    finished.write_summary({"status": "done"})
    at = open_page(run=finished.id)
    button(at, "Continue with these").click()
    assert "is done after" in redrawn(at).info[0].value


def test_a_failed_run_says_why_and_what_to_do(runs: Path, city: Path) -> None:
    run = RunDir.create(runs, tiny_config(city))
    failure = {"reason": "nan_loss", "detail": HOSTILE, "hint": "choose <b>less</b>"}
    write_json(run.summary_file, {"status": "failed", **failure})
    at = open_page()
    assert plain(HOSTILE) in at.error[0].value
    assert plain("Choose <b>less</b>.") in at.error[0].value
    assert "The loss is not a number" in at.error[0].value


def test_altered_files_hide_only_their_runs(runs: Path, city: Path) -> None:
    found = {
        "config.json": ("[" * 200_000, "nested too deeply"),
        "summary.json": ('{"status": "done", "epochs": 1e999}', "epochs is inf"),
        "metrics.jsonl": ('{"kind": "epoch", "epoch": "one"}\n', "epoch is 'one'"),
    }
    for file, (content, _) in found.items():
        (RunDir.create(runs, tiny_config(city)).path / file).write_text(content)
    Path(os.fsdecode(os.fsencode(runs) + b"/2020-\xff\n")).mkdir()
    good = RunDir.create(runs, tiny_config(city, title="The good one"))
    at = open_page(run=good.id)
    assert at.header[0].value == "The good one"
    table = at.dataframe[0].value
    assert table["State"].tolist().count("Broken") == 4
    text = "\n".join(table["Note"])
    assert all(reason in text for _, reason in found.values())
    assert "because of its folder's name" in text


def test_a_broken_folder_hides_only_itself(runs: Path, city: Path) -> None:
    broken = RunDir.create(runs, tiny_config(city))
    broken.config_file.write_text("{")
    whole = RunDir.create(runs, tiny_config(city, title="Whole"))
    at = open_page(run=broken.id)
    assert "not a readable configuration" in at.error[0].value
    assert "Made " in words(at)
    table = at.dataframe[0].value.set_index("State")
    assert table["Name"].to_dict() == {"Not started": "Whole", "Broken": f"▸ {broken.id}"}
    # The row says which folder it is.
    assert table["Note"]["Broken"].startswith("config.json is not a readable configuration")
    assert "Its process has ended" in words(open_page(run=whole.id))


def test_the_table_has_scores_and_the_settings_that_differ(finished: RunDir, city: Path) -> None:
    RunDir.create(finished.path.parent, tiny_config(city, title="Other", learning_rate=0.5))
    table = open_page(run=finished.id).dataframe[0].value.set_index("Name")
    trained_row, other = table.loc[f"▸ {finished.id}"], table.loc["Other"]
    assert (trained_row["Epochs"], other["Epochs"]) == (2, 0)
    assert (len(trained_row["Curve"]), len(other["Curve"])) == (2, 0)
    assert trained_row["Mean IoU"] == pytest.approx(100 * (jobs.state(finished).mean_iou or 0))
    assert trained_row["Settings that differ"] == "Learning rate 0.01"
    assert other["Settings that differ"] == "Learning rate 0.5"


def test_the_table_says_why_a_run_has_failed_and_has_no_empty_columns(
    runs: Path, city: Path
) -> None:
    run = RunDir.create(runs, tiny_config(city))
    run.write_summary({"status": "failed", "reason": "nan_loss", "detail": "At step 3"})
    at = open_page()
    table = at.dataframe[0].value
    assert table["State"][0] == "Failed: The loss is not a number"
    # Names and states are not cut: their columns are as wide as they are, up to a limit.
    columns = json.loads(at.dataframe[0].proto.columns)
    assert columns["State"]["width"] == 180
    assert columns["Name"]["width"] > 200
    assert not {"Settings that differ", "Tags", "Note"} & {*table.columns}
    write_notes(run, "", "Too slow.", ["baseline"])
    at = open_page()
    assert {"Tags", "Note"} <= {*at.dataframe[0].value.columns}
    assert at.selectbox(key="group").options == ["All tags", "Tag: baseline"]


def test_a_run_is_renamed_noted_and_tagged(runs: Path, city: Path) -> None:
    run = RunDir.create(runs, tiny_config(city, title="First"))
    at = open_page()
    note_field(at.text_input, "Name").set_value(HOSTILE)
    note_field(at.text_input, "Tags").set_value("baseline, ,to repeat")
    note_field(at.text_area, "Note").set_value("Too slow.")
    button(at, "Save").click()
    redrawn(at)
    assert at.header[0].value == plain(HOSTILE)
    assert read_notes(run) == Notes(name=HOSTILE, note="Too slow.", tags=["baseline", "to repeat"])
    assert run.config().title == "First"


def test_the_tag_of_a_group_with_a_comma_in_its_name_survives_another_note(
    runs: Path, city: Path
) -> None:
    run = RunDir.create(runs, tiny_config(city))
    write_notes(run, "", "", ["a, b: Width"])
    at = open_page()
    note_field(at.text_area, "Note").set_value("Too slow.")
    button(at, "Save").click()
    redrawn(at)
    assert read_notes(run) == Notes(name="", note="Too slow.", tags=["a, b: Width"])


def test_notes_that_were_changed_elsewhere_are_not_replaced(runs: Path, city: Path) -> None:
    run = RunDir.create(runs, tiny_config(city))
    at = open_page()
    write_notes(run, "Careful", "A long note.", ["night"])
    redrawn(at)
    note_field(at.text_input, "Tags").set_value("night, wet")
    button(at, "Save").click()
    redrawn(at)
    assert read_notes(run) == Notes(name="Careful", note="A long note.", tags=["night", "wet"])


def test_an_archived_run_comes_back_or_is_deleted_after_one_question(
    runs: Path, city: Path
) -> None:
    run = RunDir.create(runs, tiny_config(city, title="*Old*"))
    at = open_page(run=run.id)
    button(at, "Archive").click()
    redrawn(at)
    assert not at.warning
    assert at.multiselect[0].options == ["*Old*"]
    assert jobs.list_runs(runs) == []
    at.session_state["train_view"] = "Runs"
    button(redrawn(at), "Undo").click()
    redrawn(at)
    assert [each.id for each in jobs.list_runs(runs)] == [run.id]
    button(at, "Archive").click()
    redrawn(at)
    at.multiselect[0].set_value([run.id])
    button(redrawn(at), "Delete …").click()
    redrawn(at)
    assert (runs / ".archive" / run.id).exists()
    button(at, "Delete").click()
    redrawn(at)
    assert not (runs / ".archive" / run.id).exists()


def test_a_run_that_trains_cannot_be_archived(runs: Path, city: Path) -> None:
    run = RunDir.create(runs, tiny_config(city))
    with run.locked():
        assert button(open_page(), "Archive").disabled


def test_a_run_of_another_folder_is_not_found(runs: Path, city: Path) -> None:
    RunDir.create(runs, tiny_config(city))
    at = open_page(run="20250101-000000-unet-00000000")
    assert "There is no run" in at.warning[0].value


def test_the_settings_of_a_run_fill_the_form_for_a_new_one(runs: Path, city: Path) -> None:
    settings = tiny_config(city, title="First", loss="ohem", crop=(16, 32), flip=True)
    RunDir.create(runs, settings)
    at = open_page()
    button(at, "Use these settings").click()
    redrawn(at)
    expected = {"title": "First", "loss": "ohem", "crop": "16x32", "flip": True, "width": 2}
    assert {name: field(at, name).value for name in expected} == expected
    assert field(at, "data").value == str(city)


@pytest.fixture
def finished(runs: Path, city: Path) -> RunDir:
    """A run of two epochs in the folder."""
    run = trained(city, epochs=2, wandb="off")
    runs.mkdir(exist_ok=True)
    shutil.move(run.path, runs / run.id)
    return RunDir(runs / run.id)


def test_every_part_of_a_run_can_be_shown(finished: RunDir) -> None:
    finished.log_file.write_text("<b>the log</b>\n")
    for part, expected in {
        "Curves": "Learning rate",
        "Classes": "IoU of each class",
        "Predictions": "of the labelled pixels right",
        "Machine": "every five seconds",
        "Settings": "2 of 2",
    }.items():
        at = open_page(part=part)
        shown = "\n".join([words(at), *(str(metric.value) for metric in at.metric)])
        assert expected in shown, part
    assert open_page(part="Log").code[0].value == "<b>the log</b>"


def test_settings_show_where_a_run_is_tracked_and_how_to_upload_the_rest(
    finished: RunDir, tmp_path: Path
) -> None:
    assert "Weights & Biases" not in words(open_page(part="Settings"))
    folder = tmp_path / f"offline-run-20260101_120000-{finished.id}"
    folder.mkdir()
    url, waiting = "https://wandb.example/run", [str(folder)]
    state = TrackingState(id=finished.id, folder=str(folder), url=url, waiting=waiting)
    finished.tracking.mkdir()
    state.save(finished)
    at = open_page(part="Settings")
    assert at.code[0].value == f"wandb sync {folder}"
    (link,) = at.get("link_button")
    assert link.proto.url == url


def test_the_paths_among_the_settings_are_shown_whole(finished: RunDir) -> None:
    (table,) = open_page(part="Settings").table  # whose texts are wrapped
    assert table.value.loc["Dataset", "Value"].replace("\\", "") == str(finished.config().data)


def test_the_slider_goes_back_through_the_epochs(finished: RunDir) -> None:
    at = open_page(part="Predictions")
    assert at.select_slider[0].value == 2
    newest = words(at)
    at.select_slider[0].set_value(1)
    assert words(redrawn(at)) != newest


def test_a_start_fills_in_the_shape_of_its_network(
    city: Path, runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cityseg.runs.networks._FOLDER", tmp_path)
    at = fill(open_page(), start_from="box")
    assert "No network ships with this version" in words(at)
    config = make_config({"width": 3, "norm": "group"})
    save_weights(tmp_path / "a.safetensors", model_of(config), config, 1, {"mean_iou": None})
    fill(at, start_from="none")
    fill(at, start_from="box")
    shape = {name: field(at, name).value for name in ("width", "norm", "weights")}
    assert shape == {"width": 3, "norm": "group", "weights": "none"}
    assert "brings" not in words(at)
    assert "The network box brings width 3 along, but width is 5" in words(fill(at, width=5))


def test_the_preset_finetune_takes_the_shape_of_the_box(
    city: Path, runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    boxes.fill_box(tmp_path / "box", monkeypatch, model="fpn:resnet18", decoder_width=32)
    at = open_page()
    preset(at).set_value("finetune")
    at.run()
    shape = {name: field(at, name).value for name in ("start_from", "model", "decoder_width")}
    assert shape == {"start_from": "box", "model": "fpn:resnet18", "decoder_width": 32}


# Groups of runs


class Stub(LocalMachine):
    """A machine that only notes that it was given the run."""

    def check(self, config: TrainConfig, stores: Path) -> None: ...

    def submit(self, run: RunDir, lock: Lock, *, now: bool) -> None:
        run.supervisor_file.write_text("{}")


@pytest.fixture
def nothing_trains(monkeypatch: pytest.MonkeyPatch) -> None:
    start = functools.partial(jobs.start_group, machine=Stub())
    monkeypatch.setattr(jobs, "start_group", start)


def vary(at: AppTest, **values: Any) -> AppTest:
    """Fill in the fields for variants."""
    for key, value in values.items():
        kind = at.selectbox if key in ("train_vary", "train_vary_too") else at.text_input
        kind(key=key).set_value(value)
        redrawn(at)  # the values can be typed once a setting is chosen
    return at


def queue_button(at: AppTest) -> Any:
    return at.button(key=f"train_queue_{at.session_state['train_form'].click}")


@pytest.mark.usefixtures("nothing_trains")
def test_the_learning_rate_follows_the_batch_sizes_of_variants(runs: Path) -> None:
    at = vary(open_page(), train_vary="batch_size", train_vary_values="2, 8, 32")
    queue_button(at).click()
    redrawn(at)
    until(lambda: not starting.pending(runs))
    configs = [entry.config for entry in jobs.list_runs(runs) if entry.config]
    assert {each.batch_size: each.learning_rate for each in configs} == {
        2: 5e-05,
        8: 1e-4,
        32: 2e-4,
    }


@pytest.mark.usefixtures("nothing_trains")
def test_one_click_queues_all_variants_as_a_group(runs: Path) -> None:
    at = fill(open_page(), **TINY, title="Rates")
    assert queue_button(at).disabled
    vary(at, train_vary="learning_rate", train_vary_values="1e-4, 3e-4,0.001", train_seeds="1, 2")
    assert queue_button(at).label.startswith("Queue 6 runs (~ ")
    assert plain("Rates: learning rate 0.0001, seed 1") in words(at)
    queue_button(at).click()
    redrawn(at)
    until(lambda: not starting.pending(runs))
    redrawn(at)
    entries = jobs.list_runs(runs)
    assert sorted(entry.title for entry in entries) == sorted(
        f"Rates: learning rate {rate}, seed {seed}"
        for rate in ("0.0001", "0.0003", "0.001")
        for seed in (1, 2)
    )
    assert {tuple(entry.notes.tags) for entry in entries} == {("Rates: Learning rate × Seed",)}
    assert at.selectbox(key="group").value == "Rates: Learning rate × Seed"

    at.session_state["train_view"] = "New run"
    assert queue_button(redrawn(at)).label == "All of these runs exist"
    vary(at, train_seeds="1, 2, 3")
    assert queue_button(at).label.startswith("Queue 3 runs")


def test_a_wrong_value_is_explained_by_the_rule_of_its_field() -> None:
    at = vary(open_page(), train_vary="learning_rate")
    assert plain("Learning rate: write the values, separated by commas.") in words(at)
    vary(at, train_vary_values="1e-4, 11, fast")
    rule = "It must be a number, above 0 and at most 10.0."
    for value in ("11", "fast"):
        assert plain(f"Learning rate {value}: {rule}") in words(at)
    assert queue_button(at).disabled
    vary(at, train_vary="crop", train_vary_values="128x256, 512x1024")
    assert plain("Crop 512x1024: The crop 512x1024 is larger than the size 256x512") in words(at)
    vary(at, train_vary_too="crop", train_vary_too_values="64x64")
    assert "Choose two different settings" in words(at)
    vary(at, train_vary_too=None, train_vary="epochs", train_vary_values="1, 2")
    assert not queue_button(at).disabled
    vary(at, train_seeds=", ".join(map(str, range(101))))
    assert "These are 202 runs" in words(at)


def test_the_time_of_a_group_is_the_sum_of_its_runs() -> None:
    at = fill(open_page(), epochs=100)
    until(lambda: "run just now" in words(redrawn(at)))
    vary(at, train_vary="epochs", train_vary_values="100, 300")
    single = re.findall(r"[\d.]+", at.metric[0].value)
    group = re.findall(r"[\d.]+", queue_button(at).label.split("(")[1])
    assert [float(each) for each in group] == pytest.approx(
        [4 * float(each) for each in single], rel=0.1
    )


def test_the_rest_of_an_interrupted_group_is_queued_once(
    runs: Path, city: Path, nothing_trains: None
) -> None:
    configs = tuple(tiny_config(city, seed=seed, title=f"Seed {seed}") for seed in (1, 2, 3))
    with written_down(RunGroup("Seeds", configs), runs):
        start(configs[0], runs, click="group Seeds", tags=["Seeds"], machine=Stub())
    at = open_page()
    assert "Of the group Seeds, 2 of 3 runs could not be queued" in words(at)
    button(at, "Queue the other 2").click()
    redrawn(at)
    until(lambda: not starting.pending(runs))
    assert "could not be queued" not in words(redrawn(at))
    assert sorted(e.title for e in jobs.list_runs(runs)) == ["Seed 1", "Seed 2", "Seed 3"]


def test_the_best_of_a_group_is_kept_and_the_others_archived(runs: Path, city: Path) -> None:
    for number, score in enumerate((0.2, 0.4, 0.3, 0.9)):
        run = RunDir.create(runs, tiny_config(city, title=f"Run {number}"))
        scores = {"mean_iou": score, "best_epoch": 1, "epochs": 1}
        write_json(run.summary_file, {"status": "done", **scores})
        write_notes(run, "", "", ["Mine"] if number < 3 else [])
    at = open_page(group="Mine")
    names = sorted(name.removeprefix("▸ ") for name in at.dataframe[0].value["Name"])
    assert names == ["Run 0", "Run 2", "★ Run 1"]
    assert "Best: **Run 1**, mean IoU 40" in words(at)
    button(at, "Archive the other 2").click()
    redrawn(at)
    assert sorted(e.title for e in jobs.list_runs(runs)) == ["Run 1", "Run 3"]
    button(at, "Undo").click()
    redrawn(at)
    assert len(jobs.list_runs(runs)) == 4
