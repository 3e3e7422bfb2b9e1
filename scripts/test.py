"""Set up the environment and a Chromium, then `make check`: formatting, lint, types, tests."""

import os
import shutil
import subprocess
import sys

import bootstrap

CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "chrome")
APT = "apt-get"
INSTALL = [APT, "install", "-y", "--no-install-recommends", "chromium"]


def find_chromium() -> None:
    """End here, with a sentence, if the browser tests have no browser and none can be installed."""
    if any(map(shutil.which, CHROMIUM)):
        return
    if os.geteuid() == 0 and shutil.which(APT):
        print("installing chromium for the browser tests (once)", flush=True)
        if run(INSTALL):
            run([APT, "update"])
            run(INSTALL)
    if not any(map(shutil.which, CHROMIUM)):
        sys.exit(f"the browser tests need Chromium: install it (on Debian: {' '.join(INSTALL)})")


def run(command: list[str]) -> int:
    """The exit status of `command`; what it prints is left out."""
    return subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode


if __name__ == "__main__":
    bootstrap.enter("requirements-dev.txt")
    if shutil.which("make") is None:
        sys.exit("make is missing: install it (on Debian: apt-get install make)")
    find_chromium()
    command = ["make", "check", f"PYTHON={bootstrap.PYTHON}", *sys.argv[1:]]
    sys.exit(subprocess.run(command, check=False).returncode)
