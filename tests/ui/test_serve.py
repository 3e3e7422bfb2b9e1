"""The settings of the server: one file for `cityseg app` and for `streamlit run app.py`."""

import json
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from streamlit import config
from waiting import PATIENCE_SECONDS

from cityseg.ui import serve
from cityseg.ui.predict.networks import LARGEST_UPLOAD_MIB

ROOT = Path(__file__).parents[2]


@pytest.fixture
def flags(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What Streamlit's command is given."""
    given: list[str] = []
    monkeypatch.setattr(serve, "streamlit", lambda words, **_: given.extend(words))
    serve.serve(["--server.port=1", "--", "--data=x"])
    return given


def test_both_ways_to_the_app_have_the_same_settings() -> None:
    file = ROOT / "cityseg" / "ui" / "config.toml"
    assert (ROOT / ".streamlit" / "config.toml").samefile(file)


def test_every_setting_becomes_a_flag_that_streamlit_knows(flags: list[str]) -> None:
    names = {flag.removeprefix("--").partition("=")[0] for flag in flags[2:-3]}
    assert {"server.address", "theme.dark.primaryColor"} <= names
    assert names <= config.get_config_options().keys()
    assert "--server.address=127.0.0.1" in flags


def test_a_list_becomes_the_json_that_streamlit_reads(flags: list[str]) -> None:
    settings = tomllib.loads((ROOT / "cityseg" / "ui" / "config.toml").read_text())
    (sizes,) = (flag for flag in flags if flag.startswith("--theme.headingFontSizes="))
    assert json.loads(sizes.partition("=")[2]) == settings["theme"]["headingFontSizes"]


def test_flags_of_the_command_come_last_and_folders_after_them(flags: list[str]) -> None:
    assert flags[:2] == ["run", str(ROOT / "cityseg" / "ui" / "pages" / "main.py")]
    assert flags[-3:] == ["--server.port=1", "--", "--data=x"]


def test_the_server_takes_the_largest_file_that_a_field_takes() -> None:
    settings = tomllib.loads((ROOT / "cityseg" / "ui" / "config.toml").read_text())
    assert settings["server"]["maxUploadSize"] == LARGEST_UPLOAD_MIB


def test_an_invalid_host_is_refused_before_the_server_starts() -> None:
    command = [sys.executable, "-m", "cityseg", "app", "--allow-host", "https://x.org"]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=PATIENCE_SECONDS
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "cityseg: --allow-host https://x.org is no host: "
        "give a name or NAME:PORT, without https://\n"
    )
