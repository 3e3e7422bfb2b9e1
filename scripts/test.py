"""Set up the environment, Node.js and a Chromium, then `make check`.

That is formatting, lint, types and tests, of Python and of the viewer's JavaScript.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence

import bootstrap
import javascript

CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "chrome")
INSTALL = ["apt-get", "install", "-y", "--no-install-recommends"]


def provide(programs: Sequence[str], package: str, purpose: str) -> None:
    """Install Debian's `package` unless one of `programs` is there; exit if that is impossible."""
    if any(map(shutil.which, programs)):
        return
    command = [*INSTALL, package]
    if os.geteuid() == 0 and shutil.which(command[0]):
        print(f"Installing {package} for {purpose} (once)", flush=True)
        if run(command):
            run([command[0], "update"])
            run(command)
    if not any(map(shutil.which, programs)):
        sys.exit(f"{package} is missing for {purpose}: install it (on Debian: {' '.join(command)})")


def run(command: list[str]) -> int:
    """The exit status of `command`; its output is discarded."""
    return subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode


if __name__ == "__main__":
    bootstrap.enter("requirements-dev.txt")
    provide(["make"], "make", "the checks")
    provide(CHROMIUM, "chromium", "the browser tests")
    provide(["node"], "nodejs", "the checks of the viewer's JavaScript")
    provide(["npm"], "npm", "the checks of the viewer's JavaScript")
    javascript.install()
    command = ["make", "check", f"PYTHON={bootstrap.PYTHON}", *sys.argv[1:]]
    sys.exit(subprocess.run(command, cwd=bootstrap.ROOT, check=False).returncode)
