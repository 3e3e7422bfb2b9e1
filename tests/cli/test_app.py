"""`cityseg app` before it serves; tests/browser/test_installed.py has it serving."""

import subprocess
import sys

import pytest

from cityseg.cli.main import main


@pytest.mark.parametrize("package", ["streamlit", "plotly"])
def test_without_the_packages_of_the_app_the_command_says_how_to_get_them(package: str) -> None:
    code = f"import sys; sys.modules[{package!r}] = None\n"  # as if it were not installed
    code += "from cityseg.cli.main import main; sys.exit(main(['app']))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"cityseg: The app needs {package}, which is not installed: "
        "run pip install 'cityseg[app]'\n"
    )


@pytest.mark.parametrize("port", ["0", "65536", "http"])
def test_a_port_that_cannot_be_is_refused(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="1"):
        main(["app", "--port", port])
    assert capsys.readouterr().err.startswith("cityseg: Argument --port: ")
