"""The script of every session, and the files at the top that stand for it and its pages."""

from collections.abc import Sequence
from pathlib import Path

import city
import pytest
from streamlit.testing.v1 import AppTest
from waiting import PATIENCE_SECONDS

from cityseg.defaults import DATASET_VARIABLE, RUNS_VARIABLE
from cityseg.ui.shell import PAGES

ROOT = Path(__file__).parents[3]
BODIES = ROOT / "cityseg" / "ui" / "pages"
TITLES = [(name, title) for name, _, title, _ in PAGES]


@pytest.fixture(autouse=True)
def _folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    city.write_frame(tmp_path / "data", "aachen_0_0")
    monkeypatch.setenv(DATASET_VARIABLE, str(tmp_path / "data"))
    monkeypatch.setenv(RUNS_VARIABLE, str(tmp_path / "runs"))


def titles(app: AppTest) -> Sequence[str]:
    assert not app.exception
    return [title.value for title in app.title]


@pytest.mark.parametrize(("name", "title"), TITLES)
def test_each_page_is_a_file_beside_the_script(name: str, title: str) -> None:
    app = AppTest.from_file(BODIES / "main.py", default_timeout=PATIENCE_SECONDS).run()
    assert titles(app.switch_page(f"{name}.py").run()) == [title]


@pytest.mark.parametrize(("name", "title"), TITLES)
def test_each_page_opens_from_the_files_at_the_top(name: str, title: str) -> None:
    app = AppTest.from_file(ROOT / "app.py", default_timeout=PATIENCE_SECONDS)
    assert titles(app.switch_page(f"pages/{name}.py").run()) == [title]
    app = AppTest.from_file(ROOT / "app.py", default_timeout=PATIENCE_SECONDS).run()
    assert titles(app) == ["Overview"]
    assert titles(app.switch_page(f"pages/{name}.py").run()) == [title]


def test_the_files_at_the_top_are_those_pages_and_no_others() -> None:
    assert {path.stem for path in (ROOT / "pages").glob("*.py")} == {name for name, _ in TITLES}
