"""The menu that exports a network: its forms, its task, and the file."""

from pathlib import Path

import boxes
import city
import pytest
import tiny_runs
from safetensors import safe_open
from streamlit.testing.v1 import AppTest
from waiting import PATIENCE_SECONDS, until

from cityseg.jobs import Task
from cityseg.runs import RunDir
from cityseg.system import write_json
from cityseg.ui import network_exports
from cityseg.ui.network_exports import OPEN
from cityseg.ui.predict.inference import Upload

EVERYWHERE = ["ONNX", "Card as HTML", "Card as Markdown", "State dict"]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return boxes.stand_in(tmp_path_factory.mktemp("weights"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with a dataset of one test frame, and without runs."""
    city.write_frame(tmp_path / "data", "x_0_0", split="test")
    return tmp_path


def menu(root, networks):  # type: ignore[no-untyped-def]
    from pathlib import Path

    from cityseg.ui.folders import Folders
    from cityseg.ui.network_exports import show_export_menu

    show_export_menu(Folders(Path(root, "data"), Path(root, "runs")), networks, ("--flip",))


def opened(root: Path, networks: dict[str, Path | Upload], form: str = "ONNX") -> AppTest:
    arguments = (str(root), networks)
    at = AppTest.from_function(menu, args=arguments, default_timeout=PATIENCE_SECONDS)
    at.session_state[OPEN] = True
    at.session_state["export_as"] = form
    at.run()
    assert not at.exception
    return at


def labels(at: AppTest, kind: str) -> list[str]:
    return [each.proto.label for each in at.get(kind)]


def the_task(root: Path) -> Task:
    (folder,) = (root / "runs" / ".tasks").iterdir()
    return Task(folder)


def started(monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, ...]]:
    """The arguments of all starts, which start nothing."""
    calls: list[tuple[object, ...]] = []
    monkeypatch.setattr(Task, "start", lambda task, *arguments: calls.append(arguments))
    return calls


def ends(monkeypatch: pytest.MonkeyPatch, status: int, content: bytes = b"") -> None:
    """Let each task end at once with this status, and its file have this content, if any."""

    def start(task: Task, network: object, *options: object) -> None:
        task.folder.mkdir(parents=True, exist_ok=True)
        task.log_file.write_text("cityseg: it has failed: try again\n")
        write_json(task.result_file, {"status": status})
        out = options[options.index("--out") + 1]
        assert isinstance(out, Path)
        if content:
            out.write_bytes(content)

    monkeypatch.setattr(Task, "start", start)


def exported(root: Path, weights: Path, monkeypatch: pytest.MonkeyPatch) -> AppTest:
    """The menu after an export of a state dict has ended at once, and well."""
    ends(monkeypatch, 0, b"tensors")
    at = opened(root, {"a": weights}, "State dict")
    return at.button(key="export_start").click().run()


def test_a_closed_menu_looks_for_nothing(root: Path) -> None:
    arguments = (str(root), {"a": root / "nowhere"})
    at = AppTest.from_function(menu, args=arguments, default_timeout=PATIENCE_SECONDS).run()
    assert not at.exception
    assert not at.radio


def test_a_submission_is_offered_where_there_are_test_frames(root: Path, weights: Path) -> None:
    assert opened(root, {"a": weights}).radio(key="export_as").options == [
        *EVERYWHERE,
        "Submission",
    ]
    assert opened(root / "elsewhere", {"a": weights}).radio(key="export_as").options == EVERYWHERE


def test_without_a_network_it_says_why(root: Path) -> None:
    at = opened(root, {})
    assert not at.radio
    assert at.caption[0].value == "No network is saved yet: wait for the end of the first epoch."


def test_a_network_becomes_a_file_in_the_background(root: Path, weights: Path) -> None:
    at = opened(root, {"Street": weights}, "State dict")
    assert labels(at, "button") == ["Export"]
    at.button(key="export_start").click().run()
    task = the_task(root)
    until(lambda: not task.state().is_live)
    assert task.state().phase == "done", task.log()
    at.run()
    (download,) = labels(at, "download_button")
    assert download.startswith("Download (")
    assert labels(at, "button") == ["Export again"]
    with safe_open(task.folder / "network-state_dict.safetensors", "np") as file:
        assert file.metadata()["format"] == "cityseg-state-dict-1"


def test_other_weights_under_the_same_name_are_another_export(
    root: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = city.write(root / "best.safetensors", weights.read_bytes())
    at = exported(root, copy, monkeypatch)
    assert labels(at, "download_button") == ["Download (7 bytes)"]
    copy.unlink()
    city.write(copy, weights.read_bytes() + b" ")
    assert not labels(at.run(), "download_button")


def test_a_failure_is_explained_and_an_earlier_file_is_no_result(
    root: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = exported(root, weights, monkeypatch)
    ends(monkeypatch, 1)
    at.button(key="export_start").click().run()
    assert at.error[0].value.replace("\\", "") == "It has failed: try again."
    assert labels(at, "download_button") == []
    assert labels(at, "button") == ["Export"]


def test_the_command_gets_the_folder_of_a_run_the_box_or_a_file(
    root: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = started(monkeypatch)
    run = RunDir.create(root / "runs", tiny_runs.tiny_config(root / "data"))
    epoch = city.write(run.of_epoch(1), weights.read_bytes())
    best = city.write(run.best, weights.read_bytes())
    uploaded = Upload("id", "../other.safetensors", b"content")
    for network in (best, epoch, weights, uploaded):
        opened(root, {"a": network}, "State dict").button(key="export_start").click().run()
    boxes.fill_box(weights.parent, monkeypatch)
    opened(root, {"a": weights}, "State dict").button(key="export_start").click().run()
    file = calls[3][0]
    assert [call[0] for call in calls] == [run.path, epoch, weights, file, "box"]
    assert isinstance(file, Path)
    assert file.name == "other.safetensors"
    assert file.read_bytes() == b"content"
    assert (root / "runs" / ".tasks") in file.parents


def test_a_submission_is_predicted_as_the_page_says(
    root: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = started(monkeypatch)
    opened(root, {"a": weights}, "Submission").button(key="export_start").click().run()
    (call,) = calls
    assert call[1:3] == ("--to", "submission")
    assert call[-3:] == ("--data", root / "data", "--flip")


def test_one_of_several_networks_is_chosen(
    root: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = started(monkeypatch)
    at = opened(root, {"a": weights, "b": root / "b.safetensors"}, "Card as HTML")
    at.selectbox(key="export_of").set_value("b").run()
    at.button(key="export_start").click().run()
    assert calls[0][0] == root / "b.safetensors"


def test_missing_packages_are_named(
    root: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network_exports, "find_spec", lambda name: None)
    at = opened(root, {"a": weights})
    assert at.caption[0].value == "This needs more packages: `pip install 'cityseg[onnx]'`"
    assert not labels(at, "button")


def test_a_running_export_has_progress_and_a_stop(
    root: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = exported(root, weights, monkeypatch)
    monkeypatch.setattr(Task, "_is_live", lambda task: True)
    the_task(root).progress_file.write_text('{"what": "Exporting"}')
    at.run()
    assert labels(at, "button") == ["Stop"]
    assert not labels(at, "download_button")
    assert at.get("progress")[0].proto.text == "Exporting"
