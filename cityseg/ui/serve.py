"""The process that serves the app: `python -m cityseg.ui.serve [FLAGS] [-- --data DATA …]`.

Started by `cityseg app`. FLAGS are those of `streamlit run`; they come after the settings of
`config.toml`, which hold in whatever folder this is started and whatever its environment says.
"""

import json
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import click
from streamlit.web.cli import main as streamlit

from cityseg.errors import CitysegError
from cityseg.ui.guard import allowed_hosts

_FOLDER: Final = Path(__file__).resolve().parent


def serve(arguments: Sequence[str]) -> None:
    """Serve until Ctrl-C. `arguments` are flags of `streamlit run`, then `--`, then ours.

    Raises CitysegError if `--allow-host` is invalid.
    """
    ours = list(arguments)[list(arguments).index("--") + 1 :] if "--" in arguments else []
    allowed_hosts(ours)
    settings = tomllib.loads((_FOLDER / "config.toml").read_text())
    flags = [f"--{name}={value}" for name, value in _flatten(settings)]
    script = str(_FOLDER / "pages" / "main.py")
    with suppress(click.Abort):  # Ctrl-C, of which Streamlit's own command says "Aborted!"
        streamlit(["run", script, *flags, *arguments], standalone_mode=False)


def _flatten(settings: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Settings by dotted names, as Streamlit's flags have them."""
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{above}{name}.")
        else:
            # Streamlit reads the list of a flag as JSON.
            yield f"{above}{name}", json.dumps(value) if isinstance(value, list) else value


if __name__ == "__main__":
    try:
        serve(sys.argv[1:])
    except CitysegError as error:
        sys.exit(f"cityseg: {error}")
