"""Serve the app in a browser, to this machine only.

It ends with Ctrl-C; trainings that it started continue. From another machine,
reach it through a tunnel: ssh -L 8501:127.0.0.1:8501 HOST
Frames are found in the layout that convert has kept with the masks.

It answers to 127.0.0.1, localhost and [::1] at its port. Behind a reverse proxy
or a tunnel from another port, name the addresses that browsers show with
--allow-host, and the path, if any, with --base-path.

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
    add(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME[:PORT]",
        help="Answer under this address, too. May be given several times.",
    )
    add("--base-path", metavar="PATH", help="Path below which a reverse proxy serves the app.")
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Become the server."""
    if missing := [name for name in ("streamlit", "plotly") if find_spec(name) is None]:
        raise CitysegError(
            f"The app needs {missing[0]}, which is not installed: run pip install 'cityseg[app]'"
        )
    settings = {"port": options.port, "baseUrlPath": options.base_path}
    flags = [f"--server.{name}={value}" for name, value in settings.items() if value]
    folders = {"data": options.data, "runs": options.runs, "masks": options.masks}
    given = [f"--{name}={folder}" for name, folder in folders.items() if folder]
    given += [f"--allow-host={host}" for host in options.allow_host]
    command = [sys.executable, "-m", "cityseg.ui.serve", *flags, "--", *given]
    os.execv(sys.executable, command)  # noqa: S606 - so that signals reach the server itself
