"""The view Robustness without a browser: what is compared, and what is said without evidence."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import boxes
import pytest
from streamlit.testing.v1 import AppTest
from tiny_runs import make_city, trained
from waiting import PATIENCE_SECONDS

from cityseg.corruption import Corruption
from cityseg.defaults import DATASET_VARIABLE, RUNS_VARIABLE
from cityseg.evaluation.evidence import collect_evidence
from cityseg.runs import RunDir

MAIN = Path(__file__).parents[3] / "cityseg" / "ui" / "pages" / "main.py"
CORRUPTIONS = {
    "First": [Corruption("fog", 1), Corruption("fog", 5), Corruption("noise", 3)],
    "Second": [Corruption("fog", 5), Corruption("jpeg", 2)],
    "Third": [Corruption("rain", 1)],
    "Clean": [],
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, RunDir]]:
    """Runs by title, with evidence of the corruptions that CORRUPTIONS says."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("robust")
        boxes.empty_box(folder, patch)
        data = make_city(folder / "city", 2, 2)
        patch.setenv(DATASET_VARIABLE, str(data))
        patch.setenv(RUNS_VARIABLE, str(folder / "runs"))
        first = trained(data, title="First", epochs=1)
        runs = {"First": first}
        for title in ("Second", "Third", "Clean"):
            run = RunDir(first.path.with_name(first.path.name.replace("-unet-", f"-{title}-")))
            shutil.copytree(first.path, run.path)
            text = run.config_file.read_text().replace('"First"', f'"{title}"')
            run.config_file.write_text(text)
            runs[title] = run
        for title, run in runs.items():
            for corruption in (None, *CORRUPTIONS[title]):
                collect_evidence(run.path, data, run.evidence, device="cpu", corruption=corruption)
        yield runs


@pytest.fixture
def open_view(made: dict[str, RunDir]) -> Callable[..., AppTest]:
    def open_view(*titles: str) -> AppTest:
        at = AppTest.from_file(MAIN, default_timeout=PATIENCE_SECONDS)
        at.switch_page("results.py")
        at.query_params["view"] = "Robustness"
        at.query_params["run"] = [made[title].id for title in titles]
        at.run()
        assert not at.exception
        return at

    return open_view


def texts(at: AppTest) -> str:
    boxes_of = (at.info, at.warning, at.caption)
    return "\n".join(each.value for kind in boxes_of for each in kind).replace("\\", "")


def test_a_run_has_its_scores_by_corruption_and_class(open_view: Callable[..., AppTest]) -> None:
    at = open_view("First")
    overall, classes = (each.value for each in at.dataframe)
    assert overall.Run.tolist() == ["First"]
    assert list(classes.columns) == ["Class", "Clean", "mPC", "rPC", "Sensor noise", "Fog"]
    mean = classes.set_index("Class").loc["Mean"]
    assert mean.mPC == pytest.approx((mean["Fog"] + mean["Sensor noise"]) / 2)
    assert overall.mPC.tolist() == [f"{mean.mPC:.1%}"]
    assert overall.rPC.tolist() == [f"{mean.mPC / mean.Clean:.1%}"]
    assert "2 corruptions, severity 1, 3, 5." in texts(at)
    assert "A class has no rPC where its clean IoU is below 5%" in texts(at)
    assert len(at.get("plotly_chart")) == 1


def test_runs_are_compared_over_the_corruptions_of_all(open_view: Callable[..., AppTest]) -> None:
    at = open_view("First", "Second", "Clean")
    overall, classes = (each.value for each in at.dataframe)
    assert overall.Run.tolist() == ["First", "Second"]
    assert list(classes.columns) == ["Class", "Clean", "mPC", "rPC", "Fog"]
    assert "Only the corruptions that all runs have are compared: fog:5." in texts(at)
    apart = open_view("First", "Third")
    assert "no evidence of the same corruptions: only First is shown" in texts(apart)


def test_without_such_evidence_it_says_how_to_collect_it(
    open_view: Callable[..., AppTest], made: dict[str, RunDir]
) -> None:
    at = open_view("Clean")
    assert "This view needs evidence of corruptions" in texts(at)
    command = at.code[0].value
    assert command.startswith(f"python -m cityseg evidence {made['Clean'].path} --data ")
    assert command.endswith("--split val --corrupt all:3")
    assert not at.dataframe
