"""What holds the project together: imports, requirements, documentation, scripts.

Mirrors no module: it tests the repository.
"""

import ast
import re
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from importlib.metadata import version
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from cityseg import errors

ROOT = Path(__file__).parent.parent
REQUIREMENTS = ("requirements.txt", "requirements-dev.txt")


def ruff_on(code: str, pretended: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ruff", "check", "--select", "TID251", "-", "--stdin-filename"]
    return subprocess.run(
        [*command, pretended], input=code, capture_output=True, text=True, cwd=ROOT, check=False
    )


def pins() -> list[Requirement]:
    lines = [line for name in REQUIREMENTS for line in (ROOT / name).read_text().splitlines()]
    return [Requirement(line) for line in lines if line and not line.startswith(("#", "-r"))]


@pytest.mark.parametrize("module", ["streamlit", "plotly"])
def test_the_core_may_not_import_what_only_the_app_has(module: str) -> None:
    done = ruff_on(f"import {module}\n", "cityseg/data/masks.py")
    assert done.returncode == 1
    assert "the core runs where it is not installed" in done.stdout


@pytest.mark.parametrize("place", ["app.py", "pages/browse.py", "cityseg/ui/viewer/component.py"])
def test_the_app_may_import_streamlit(place: str) -> None:
    assert ruff_on("import streamlit\n", place).returncode == 0


@pytest.mark.parametrize("pin", pins(), ids=str)
def test_requirements_are_exact_and_installed(pin: Requirement) -> None:
    (specifier,) = pin.specifier
    assert specifier.operator == "=="
    # A local part such as +cu130 names the build, not the release.
    assert version(pin.name).partition("+")[0] == specifier.version


def test_pins_keep_the_floors_of_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [floor for extra in project["optional-dependencies"].values() for floor in extra]
    floors = {r.name: r for r in map(Requirement, [*project["dependencies"], *extras])}
    pinned = {pin.name: str(pin.specifier).removeprefix("==") for pin in pins()}
    assert all(floor.specifier.contains(pinned[name]) for name, floor in floors.items())
    assert not floors["torch"].specifier.contains("2.9.1")
    assert not floors["pillow"].specifier.contains("12.2.0")


def test_the_error_tree_is_drawn_completely() -> None:
    drawn = set(re.findall(r"\w+Error", errors.__doc__ or ""))
    defined = {name for name in vars(errors) if name.endswith("Error")}
    assert drawn == defined


def readme_map() -> set[str]:
    """The paths that the README's map names, below the repository's root."""
    readme = (ROOT / "README.md").read_text()
    tree = readme.partition("## What is where")[2].partition("```\n")[2].partition("```")[0]
    named: set[str] = set()
    for line in tree.splitlines():
        folder = "cityseg/" if line.startswith(" ") else ""
        names = re.split(r"\s{2,}", line.strip() if folder else line.replace("  pages", " pages"))[
            0
        ]
        named |= {(folder + name).rstrip("/") for name in names.split()}
    return named


def test_the_readme_maps_every_room_and_nothing_else() -> None:
    package = ROOT / "cityseg"
    modules = {path for path in package.glob("*.py") if not path.stem.startswith("__")}
    rooms = {path.parent for path in package.glob("*/__init__.py")}
    there = {str(path.relative_to(ROOT)) for path in modules | rooms}
    assert {name for name in readme_map() if name.startswith("cityseg/")} == there
    assert [name for name in readme_map() if not (ROOT / name).exists()] == []


def test_tests_mirror_the_package() -> None:
    """One test file for each module; what differs stands in the test file's own docstring."""
    package, tests = ROOT / "cityseg", ROOT / "tests"
    modules = {str(path.relative_to(package).with_suffix("")) for path in package.rglob("*.py")}
    modules = {name for name in modules if not name.rpartition("/")[2].startswith("__")}
    mirrored: set[str] = set()
    for path in tests.rglob("test_*.py"):
        folder = path.parent.relative_to(tests)
        docstring = " ".join((ast.get_docstring(ast.parse(path.read_text())) or "").split())
        also = re.search(r"Also tests: ([^.]+)\.", docstring)
        for pattern in also[1].split(", ") if also else ():
            found = {name for name in modules if fnmatch(name, pattern)}
            assert found, f"{path} tests {pattern}, which is no module"
            mirrored |= found
        own = str(folder / path.stem.removeprefix("test_"))
        elsewhere = folder.parts[:1] in (("browser",), ("scripts",))
        assert elsewhere or own in modules or "Mirrors no module: " in docstring, path
        mirrored |= {own} & modules
    assert modules - mirrored == set()
