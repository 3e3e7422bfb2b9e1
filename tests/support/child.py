"""Python processes of the tests' own, with cityseg importable."""

import subprocess
import sys
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[2]

#: Root ignores permissions by two capabilities; without them a new program of root's obeys them.
_OBEY_PERMISSIONS = """
import ctypes, os, sys
for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
    ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""


def start(code: str, *arguments: object) -> subprocess.Popen[str]:
    """Start `code`; its stdin and stdout are pipes, its stderr is ours."""
    return _start("-c", code, *arguments)


def output(code: str, *arguments: object) -> str:
    """What `code` prints; it must end well."""
    return _output(start(code, *arguments))


def output_obeying_permissions(code: str, *arguments: object) -> str:
    """What `code` prints where file permissions count, also for root; it must end well."""
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
        printed, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    return printed
