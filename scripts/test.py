"""Set up the environment, then `make check`: formatting, lint, types, tests."""

import shutil
import subprocess
import sys

import bootstrap

if __name__ == "__main__":
    bootstrap.enter("requirements-dev.txt")
    if shutil.which("make") is None:
        sys.exit("make is missing: install it (on Debian: apt-get install make)")
    command = ["make", "check", f"PYTHON={bootstrap.PYTHON}", *sys.argv[1:]]
    sys.exit(subprocess.run(command, check=False).returncode)
