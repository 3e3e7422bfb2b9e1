"""The documentation is true: its code runs, its files exist, and the reference builds.

Mirrors no module: it tests docs/.
"""

import re
from pathlib import Path

import forks
import pytest

from cityseg.data import LAYOUTS

ROOT = Path(__file__).parents[1]
PAGES = sorted([*(ROOT / "docs").glob("*.md"), *(ROOT / "docs" / "decisions").glob("*.md")])
PAGES += [ROOT / "README.md", ROOT / "CONTRIBUTING.md"]


def test_the_quick_start_goes_from_masks_to_a_prediction(tmp_path: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs/quickstart.md").read_text(), re.S)
    process = forks.fork(forks.TRAINING, f"import os; os.chdir({str(tmp_path)!r})\n{code}")
    assert process.wait() == 0, process.errors.read_text()
    lines = process.output.read_text().splitlines()
    assert lines[0] == "13 masks"
    assert "epoch 8" in lines
    assert re.fullmatch(r"mean IoU 0\.\d+", lines[-2])
    assert lines[-1].startswith("(128, 256) 0.")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_of_the_documentation_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text())
    local = [link for link in links if "://" not in link]
    assert [link for link in local if not (page.parent / link).exists()] == []


def test_every_test_that_the_page_on_reliability_names_exists() -> None:
    named = re.findall(r"`([\w/]+\.py)::(\w+)`", (ROOT / "docs/reliability.md").read_text())
    assert len(named) > 50
    missing = [
        f"{file}::{test}"
        for file, test in named
        if not (ROOT / "tests" / file).is_file()
        or f"\ndef {test}(" not in (ROOT / "tests" / file).read_text()
    ]
    assert missing == []


def test_the_reference_of_all_public_names_builds(tmp_path: Path) -> None:
    arguments = ["--output-directory", tmp_path / "api", "cityseg"]
    done = forks.run_module(forks.TRAINING, "pdoc", *arguments)
    assert done.returncode == 0, done.stderr
    assert "make_config" in (tmp_path / "api" / "cityseg" / "config.html").read_text()
    assert (tmp_path / "api" / "cityseg" / "ui" / "shell.html").exists()


def test_the_source_of_each_layout_is_cited() -> None:
    page = (ROOT / "docs" / "formats.md").read_text()
    for layout in LAYOUTS:
        assert f"[`{layout.name}`]({layout.source.split()[0]})" in page
