"""The environment that every script runs in: created on first use, kept up to date."""

import hashlib
import os
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT = ROOT / ".venv"
PYTHON = ENVIRONMENT / "bin" / "python"


def enter(requirements: str) -> None:
    """Continue in .venv, with `requirements` (a file name in the project) installed.

    Returns if this process already runs there; otherwise the process is replaced by one that does.
    """
    if sys.version_info < (3, 11):  # noqa: UP036 - older ones get this sentence
        sys.exit(f"cityseg needs Python 3.11 or later; this is {sys.version.split()[0]}.")
    _install(requirements)
    if Path(sys.prefix).resolve() != ENVIRONMENT.resolve():
        sys.stdout.flush()
        os.execv(PYTHON, [str(PYTHON), *sys.argv])  # noqa: S606
    # Every process started from here finds the package.
    os.environ["PYTHONPATH"] = str(ROOT)
    sys.path.insert(0, str(ROOT))


def _install(requirements: str) -> None:
    if _stamp(requirements).exists() and PYTHON.exists():
        return
    print(f"Installing {requirements} into {ENVIRONMENT} (some GB with PyTorch; once).", flush=True)
    if not PYTHON.exists():
        venv.create(ENVIRONMENT, with_pip=True)
    command = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    status = subprocess.run([*command, "-r", str(ROOT / requirements)], check=False).returncode
    if status:
        sys.exit(f"pip could not install {requirements}: see above, then run this again.")
    for included in _files(requirements):  # the tests' environment is one for the demo, too
        _stamp(included).touch()


def _stamp(requirements: str) -> Path:
    """The file that exists where `requirements`, as they are now, are installed."""
    wanted = "".join((ROOT / name).read_text() for name in _files(requirements))
    return ENVIRONMENT / f".{requirements}.{hashlib.sha256(wanted.encode()).hexdigest()[:16]}"


def _files(requirements: str) -> list[str]:
    """`requirements` and the files it includes with -r."""
    lines = (ROOT / requirements).read_text().splitlines()
    return [requirements, *(line[3:].strip() for line in lines if line.startswith("-r "))]
