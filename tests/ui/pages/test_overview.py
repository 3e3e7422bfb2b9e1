"""The page Overview without a browser: how to get frames, and the frames and runs there are.

Also tests: ui/overview/inventory.
"""

import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import city
import pytest
from header import page_buttons
from streamlit.testing.v1 import AppTest
from waiting import PATIENCE_SECONDS, until

from cityseg.config import make_config
from cityseg.data.dataset import find_frames
from cityseg.data.masks import convert
from cityseg.defaults import DATASET_VARIABLE, RUNS_VARIABLE
from cityseg.jobs.tasks import Task
from cityseg.runs.folder import RunDir
from cityseg.system.files import write_json
from cityseg.system.hardware import Gpu
from cityseg.ui import charts, known_folders

MAIN = Path(__file__).parents[3] / "cityseg" / "ui" / "pages" / "main.py"
TAG = "<img src=x onerror=alert(1)>"


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that the app looks at; it does not exist."""
    monkeypatch.setenv(DATASET_VARIABLE, str(tmp_path / "data"))
    monkeypatch.setenv(RUNS_VARIABLE, str(tmp_path / "runs"))
    return tmp_path / "data"


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return tmp_path / "runs"


@pytest.fixture
def open_page(data: Path) -> Callable[[], AppTest]:
    def open_page() -> AppTest:
        at = AppTest.from_file(MAIN, default_timeout=PATIENCE_SECONDS).run()
        assert not at.exception
        return at

    return open_page


def words(at: AppTest) -> str:
    kinds = (at.markdown, at.info, at.error, at.warning, at.caption, at.success)
    return "\n".join(element.value for kind in kinds for element in kind).replace("\\", "")


def labels(at: AppTest) -> list[str]:
    return [button.label for button in page_buttons(at)]


# Without frames


def test_with_nothing_there_all_ways_to_frames_are_offered(
    open_page: Callable[[], AppTest], data: Path
) -> None:
    at = open_page()
    assert f"There is no folder {data}" in words(at)
    assert labels(at) == ["Make the sample city", "Unpack", "Recover labels"]
    assert "csDownload leftImg8bit_trainvaltest.zip gtFine_trainvaltest.zip" in at.code[0].value


def test_a_folder_without_frames_is_explained(open_page: Callable[[], AppTest], data: Path) -> None:
    data.mkdir()
    assert "has no leftImg8bit/train" in words(open_page())


def test_a_dataset_whose_splits_are_empty_is_explained(
    open_page: Callable[[], AppTest], data: Path
) -> None:
    (data / "leftImg8bit" / "train").mkdir(parents=True)
    text = words(open_page())
    assert f"{data} has no images or annotations in leftImg8bit/" in text
    assert "No picture was found there" in text


def test_a_folder_that_is_a_file_is_explained(open_page: Callable[[], AppTest], data: Path) -> None:
    city.write(data)
    assert f"{data} is a file" in words(open_page())


def test_the_button_makes_the_sample_city(
    open_page: Callable[[], AppTest], data: Path, runs: Path
) -> None:
    task = Task.of(runs, "sample", data)
    page_buttons(open_page())[0].click().run()
    until(lambda: task.state().done >= 2)
    at = open_page()
    assert (page_buttons(at)[0].label, page_buttons(at)[0].disabled) == (
        "Make the sample city",
        True,
    )
    task.stop()
    until(lambda: not task.state().is_live)
    assert len(find_frames(data)) >= 2
    at = open_page()
    assert labels(at)[0] == "Make the masks"
    # Without classes beside it, the chart of cities has the width of the page.
    assert "Cities" in [each.value for each in at.header]
    assert "Cities" not in [each.value for column in at.columns for each in column.header]


def test_zips_are_unpacked(
    open_page: Callable[[], AppTest], data: Path, runs: Path, tmp_path: Path
) -> None:
    city.write_frame(tmp_path / "source", "aachen_0_0")
    with zipfile.ZipFile(tmp_path / "both.zip", "w") as archive:
        for path in (tmp_path / "source").rglob("*.png"):
            archive.write(path, path.relative_to(tmp_path / "source"))
    at = open_page()
    at.text_area[0].set_value(f"  {tmp_path / 'both.zip'} \n\n")
    page_buttons(at)[1].click().run()
    task = Task.of(runs, "import", data)
    until(lambda: not task.state().is_live)
    assert task.state().phase == "done"
    assert [frame.name for frame in find_frames(data)] == ["train/aachen/aachen_0_0"]


def test_wrong_paths_are_reported_before_anything_starts(
    open_page: Callable[[], AppTest], data: Path, runs: Path, tmp_path: Path
) -> None:
    city.write(tmp_path / "no.zip", b"text")
    at = open_page()
    at.text_area[0].set_value(f"{tmp_path / 'no.zip'}\n/nowhere/a.zip")
    page_buttons(at)[1].click().run()
    assert f"{tmp_path / 'no.zip'} is not a zip" in words(at)
    assert "There is no file /nowhere/a.zip" in words(at)
    assert Task.of(runs, "import", data).state().phase == "never"


# With frames


@pytest.fixture
def converted(data: Path) -> Path:
    city.write_frame(data, "aachen_0_0")
    city.write_frame(data, "ulm_0_0", "val")
    convert(data)
    return data


def make_run(runs: Path, data: Path, status: str | None = None, **settings: Any) -> RunDir:
    """A run that ended with `status`; without it, one that has vanished."""
    run = RunDir.create(runs, make_config({"data": data, **settings}, "reference"))
    if status:
        write_json(run.summary_file, {"status": status, "mean_iou": 0.5, "best_epoch": 1})
    return run


def test_frames_are_counted_by_split_city_and_mask(
    open_page: Callable[[], AppTest], converted: Path
) -> None:
    city.write_frame(converted, "ulm_1_0", "val").write_bytes(b"broken")
    convert(converted)
    city.write_frame(converted, "ulm_2_0", "val")
    at = open_page()
    shown = {metric.label: metric.value for metric in at.metric}
    assert shown == {"Frames": "4", "Cities": "2", "Masks": "2", "Skipped": "1"}
    links = [link.proto.label for link in at.get("page_link")]
    assert links[:2] == ["See why", "Not converted yet: 1 frame"]


def test_figures_are_made_and_names_of_folders_read_as_often_as_they_change(
    open_page: Callable[[], AppTest], converted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, read = Counter[str](), Counter[str]()

    def counting(counts: Counter[str], function: Callable[..., Any]) -> Callable[..., Any]:
        def count(*arguments: Any, **options: Any) -> Any:
            counts[function.__name__] += 1
            return function(*arguments, **options)

        return count

    for figure in (charts.city_bars, charts.class_frequencies):
        monkeypatch.setattr(charts, figure.__name__, counting(made, figure))
    monkeypatch.setattr(known_folders, "read_json", counting(read, known_folders.read_json))
    at = open_page().run()
    assert len(at.get("plotly_chart")) == 2
    assert set(made.values()) == {1}
    assert read["read_json"] == 2 * 3  # in each run, for each use
    city.write_frame(converted, "ulm_1_0", "val")
    convert(converted)
    at.run()
    assert set(made.values()) == {2}


def test_a_city_in_two_splits_is_one_city(open_page: Callable[[], AppTest], data: Path) -> None:
    city.write_frame(data, "ulm_0_0")
    city.write_frame(data, "ulm_1_0", "val")
    at = open_page()
    assert {metric.label: metric.value for metric in at.metric}["Cities"] == "1"
    assert "train 1 · val 1" in words(at)


def test_runs_are_shown_with_their_state_and_a_broken_one_with_its_problem(
    open_page: Callable[[], AppTest], converted: Path, runs: Path
) -> None:
    done = make_run(runs, converted, "done", title=TAG)
    (runs / "broken").mkdir()
    at = open_page()
    rows = {row["Run"]: row for row in at.dataframe[0].value.to_dict("records")}
    row = rows[f"train?run={done.id}#{quote(TAG)}"]
    assert (row["State"], row["Mean IoU"]) == ("Done", 0.5)
    broken = rows["train?run=broken#broken"]
    assert broken["State"] == "Broken"
    assert broken["Progress"].startswith("Is no run, as it has no config.json")  # without its path
    assert "1 done" in words(at)
    assert "1 broken" in words(at)


def test_a_title_is_no_formula_in_the_csv_of_the_table(
    open_page: Callable[[], AppTest], converted: Path, runs: Path
) -> None:
    make_run(runs, converted, "done", title="=HYPERLINK(1)")
    rows = open_page().dataframe[0].value.to_dict("records")
    assert rows[0]["Run"].startswith("train?run=")
    assert rows[0]["Run"].endswith("#%3DHYPERLINK%281%29")


def test_the_next_step_leads_to_its_page(open_page: Callable[[], AppTest], converted: Path) -> None:
    at = open_page().button(key="next").click().run()
    assert not at.exception
    assert at.title[0].value == "Train"


def test_a_damaged_report_is_explained_and_the_page_stays_usable(
    open_page: Callable[[], AppTest], converted: Path
) -> None:
    (converted / "masks" / "report.json").write_bytes(b"torn")
    at = open_page()
    assert "report.json is damaged: remove it and convert again" in words(at)
    assert "This machine" in [each.value for each in at.header]
    assert "Make the sample city" not in labels(at)


def test_the_machine_is_described(
    open_page: Callable[[], AppTest], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cityseg.system.hardware._gpus", lambda: [Gpu("NVIDIA *X*", 80 * 2**30)])
    assert "NVIDIA *X*, 80 GiB" in words(open_page())
