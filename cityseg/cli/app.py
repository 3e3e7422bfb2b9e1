"""Serve the app in a browser, to this machine only.

It ends with Ctrl-C; trainings that it started continue. From another machine,
reach it through a tunnel: ssh -L 8501:127.0.0.1:8501 HOST

Example: %(prog)s --data DATA --runs RUNS
"""

import argparse
import os
import sys
from importlib.util import find_spec
from pathlib import Path

from cityseg.cli.options import add_data, add_runs, whole_number
from cityseg.cli.parser import Parser
from cityseg.errors import CitysegError


def add_arguments(parser: Parser) -> None:
    """Say what the command takes."""
    add_data(parser)
    add_runs(parser)
    add = parser.add_argument
    add("--masks", type=Path, metavar="MASKS", help="Folder of converted masks [DATA/masks].")
    port = whole_number(1, 65_535)
    add("--port", type=port, metavar="N", help="Port [8501, or the next that is free].")
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Become the server."""
    if missing := [name for name in ("streamlit", "plotly") if find_spec(name) is None]:
        raise CitysegError(
            f"The app needs {missing[0]}, which is not installed: run pip install 'cityseg[app]'"
        )
    flags = [f"--server.port={options.port}"] if options.port else []
    folders = {"data": options.data, "runs": options.runs, "masks": options.masks}
    given = [f"--{name}={folder}" for name, folder in folders.items() if folder]
    command = [sys.executable, "-m", "cityseg.ui.serve", *flags, "--", *given]
    os.execv(sys.executable, command)  # noqa: S606 - so that signals reach the server itself
