"""A video on the page Predict: kept, predicted by a task, stopped, continued and shown.

Also tests: ui/predict/videos.
"""

import re
from pathlib import Path
from typing import Any

import boxes
import city
import pytest
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.testing.v1 import AppTest
from videos import write_video
from waiting import PATIENCE_SECONDS

from cityseg.defaults import DATASET_VARIABLE, RUNS_VARIABLE
from cityseg.jobs import Task
from cityseg.system import write_json
from cityseg.ui.predict import videos

MAIN = Path(__file__).parents[3] / "cityseg" / "ui" / "pages" / "main.py"
OCTETS = "application/octet-stream"
HOSTILE = "<b>drive</b>.avi"


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a network in the box, and without frames and runs."""
    boxes.fill_box(tmp_path / "box", monkeypatch)
    monkeypatch.setenv(DATASET_VARIABLE, str(tmp_path / "data"))
    monkeypatch.setenv(RUNS_VARIABLE, str(tmp_path / "runs"))
    return tmp_path


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return write_video(tmp_path_factory.mktemp("video") / "drive.avi").read_bytes()


def opened(**query: str) -> AppTest:
    app = AppTest.from_file(MAIN, default_timeout=PATIENCE_SECONDS)
    app.query_params.update({"picture": "Video"} | query)
    app.switch_page("predict.py").run()
    assert not app.exception
    return app


def hand_in(app: AppTest, name: str, content: bytes) -> AppTest:
    (field,) = [each for each in app.file_uploader if each.label.startswith("Video file")]
    field.set_value((name, content, OCTETS))
    app.run()
    assert not app.exception
    return app


def texts(app: AppTest, kind: str) -> str:
    return "\n".join(re.sub(r"\\(.)", r"\1", each.value) for each in getattr(app, kind))


def folders(root: Path) -> list[Path]:
    return sorted((root / "runs" / ".tasks").glob("predict-*"))


def the_task(root: Path) -> Task:
    (folder,) = folders(root)
    return Task(folder)


def label(app: AppTest) -> str:
    """Of the button that starts the task; empty without one."""
    return next((each.label for each in app.button if each.key == "video_start"), "")


def html(app: AppTest) -> str:
    return "\n".join(each.proto.body for each in app.get("html"))


def ends(
    monkeypatch: pytest.MonkeyPatch, status: int, written: str = "", *, is_stopped: bool = False
) -> list[tuple[object, ...]]:
    """Let each task end at once; returns the arguments of all."""
    calls: list[tuple[object, ...]] = []

    def start(task: Task, *arguments: object) -> None:
        calls.append(arguments)
        task.log_file.write_text("cityseg: it has failed: try again\n")
        write_json(task.result_file, {"status": status})
        if is_stopped:
            write_json(task.stop_file, {})
        if written:
            (task.folder / written).write_bytes(b"video")

    monkeypatch.setattr(Task, "start", start)
    return calls


@pytest.mark.parametrize(
    ("name", "wrong", "message"),
    [
        (HOSTILE, b"Dear diary,", f"{HOSTILE} is no video that can be read: convert it"),
        ("list.mp4", b"#EXTM3U\n/etc/hostname\n", "list.mp4 is no video that can be read"),
        ("cut.mp4", b"\0\0\0\x20ftypisom" + bytes(99), "cut.mp4 is damaged or no video"),
    ],
)
def test_a_wrong_file_is_explained_and_not_kept(
    root: Path, name: str, wrong: bytes, message: str
) -> None:
    app = hand_in(opened(), name, wrong)
    assert message in texts(app, "error")
    assert str(root) not in texts(app, "error")
    assert folders(root) == []
    assert "as soon as a video is chosen" in texts(app, "caption")


def test_a_large_file_is_refused_in_words(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(videos, "LARGEST_VIDEO_MIB", 1)
    app = hand_in(opened(), "drive.avi", bytes(3 << 20))
    assert "drive.avi has 3 MB, and at most 1 are taken: cut it" in texts(app, "error")
    assert folders(root) == []


def test_a_video_is_kept_once_and_found_again(root: Path, content: bytes) -> None:
    app = hand_in(opened(), HOSTILE, content)
    assert label(app) == "Predict the video"
    task = the_task(root)
    assert (task.folder / "video").read_bytes() == content
    assert app.query_params["video"] == task.folder.name.removeprefix("predict-")
    again = opened()  # as after a reload without the address
    assert again.selectbox(key="video").options == [HOSTILE, "Another file"]
    hand_in(again.selectbox(key="video").set_value("new").run(), "other.avi", content)
    assert again.selectbox(key="video").options == [HOSTILE, "Another file"]
    assert not again.file_uploader


@pytest.mark.parametrize("is_video", [True, False])
def test_the_server_forgets_a_file_once_it_is_kept_or_refused(
    root: Path, content: bytes, is_video: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    managers: list[MemoryUploadedFileManager] = []
    add = MemoryUploadedFileManager.add_file

    def noted(manager: MemoryUploadedFileManager, *arguments: Any) -> None:
        managers.append(manager)
        add(manager, *arguments)

    monkeypatch.setattr(MemoryUploadedFileManager, "add_file", noted)
    app = hand_in(opened(), "drive.avi", content if is_video else b"Dear diary,")
    assert bool(app.error) is not is_video
    assert managers
    assert all(not each.get_stats() for each in managers)


def test_the_command_gets_files_of_the_task_and_the_settings(
    root: Path, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = ends(monkeypatch, 0, "predicted.webm")
    app = hand_in(opened(mirrored="true", video_colors="Beside it"), HOSTILE, content)
    app.number_input(key="video_smooth").set_value(3).run()
    app.button(key="video_start").click().run()
    folder = the_task(root).folder
    assert calls == [
        (
            *(folder / "video", "--network", "box", "--video", folder / "predicted.webm"),
            *("--preview", folder / "preview.jpg", "--beside", "--smooth", "3", "--flip"),
        )
    ]


def test_a_result_is_played_and_said_by_which_network(
    root: Path, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends(monkeypatch, 0, "predicted.webm")
    app = hand_in(opened(), HOSTILE, content)
    app.button(key="video_start").click().run()
    assert '<video src="files/' in html(app)
    assert re.search(r"Download \(\d+ bytes\)", html(app))
    assert HOSTILE[:3] not in html(app)
    caption = "Predicted by Street network (in the box), for non-commercial use only. WebM"
    assert caption in texts(app, "caption")
    assert label(app) == "Predict again"
    app.number_input(key="video_smooth").set_value(2).run()
    assert label(app) == "Predict the video"


def test_a_stopped_prediction_shows_its_part_and_continues(
    root: Path, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends(monkeypatch, 2, "predicted.part.webm", is_stopped=True)
    app = hand_in(opened(), HOSTILE, content)
    app.button(key="video_start").click().run()
    assert texts(app, "warning") == (
        "Stopped. The frames so far are below, and the same settings continue there."
    )
    assert '<video src="files/' in html(app)
    assert label(app) == "Continue"
    the_task(root).stop_file.unlink()
    assert "Stopped, as the disk is full: free some space." in texts(app.run(), "warning")
    city.write(the_task(root).folder / ".cityseg-video-1" / "video.webm", b"of a killed process")
    ends(monkeypatch, 0, "predicted.webm")
    app.button(key="video_start").click().run()
    left = {each.name for each in the_task(root).folder.iterdir()}
    assert not left & {"predicted.part.webm", ".cityseg-video-1"}


def test_lost_frames_are_said(root: Path, content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    ends(monkeypatch, 2, "predicted.webm")
    app = hand_in(opened(), HOSTILE, content)
    app.button(key="video_start").click().run()
    assert "some frames could not be read" in texts(app, "warning")
    assert '<video src="files/' in html(app)


def test_after_a_failure_no_earlier_result_is_shown(
    root: Path, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends(monkeypatch, 0, "predicted.webm")
    app = hand_in(opened(), HOSTILE, content)
    app.button(key="video_start").click().run()
    ends(monkeypatch, 1)
    app.button(key="video_start").click().run()
    assert "It has failed: try again." in texts(app, "error")
    assert "<video" not in html(app)


def test_while_it_runs_the_newest_frame_is_there_and_no_setting(
    root: Path, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends(monkeypatch, 0)
    app = hand_in(opened(), HOSTILE, content)
    app.button(key="video_start").click().run()
    monkeypatch.setattr(Task, "_is_live", lambda task: True)
    app.run()
    assert "The first frame appears here." in texts(app, "caption")
    assert [each.label for each in app.button if each.key == "video-stop"] == ["Stop"]
    assert label(app) == ""
    assert not app.number_input
    city.write(the_task(root).folder / "preview.jpg", b"picture")
    assert '<img src="data:image/jpeg;base64,cGljdHVyZQ=="' in html(app.run())
