"""Python processes that tests start, which can import cityseg."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from waiting import PATIENCE_SECONDS

REPOSITORY = Path(__file__).parents[2]

#: Root ignores permissions by two capabilities; a program that root starts without them does not.
_OBEY_PERMISSIONS = """
import ctypes, os, sys
for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
    ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""


def environment() -> dict[str, str]:
    """The environment of this process, in which cityseg is found from any folder."""
    search_path = (str(REPOSITORY), os.environ.get("PYTHONPATH"))
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, search_path))}


def start(code: str, *arguments: object) -> subprocess.Popen[str]:
    """Start `code`; standard input and output are pipes, standard error is that of this process."""
    return _start("-c", code, *arguments)


def output(code: str, *arguments: object) -> str:
    """What `code` prints; it must succeed."""
    return _output(start(code, *arguments))


def output_obeying_permissions(code: str, *arguments: object) -> str:
    """What `code` prints where file permissions count even for root; it must succeed."""
    return _output(_start("-c", _OBEY_PERMISSIONS, "-c", code, *arguments))


def _start(*arguments: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *map(str, arguments)],
        cwd=REPOSITORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def _output(process: subprocess.Popen[str]) -> str:
    with process:
        printed, _ = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 0
    return printed
