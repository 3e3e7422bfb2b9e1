"""The tools that check the viewer's JavaScript, as `package-lock.json` has them."""

import hashlib
import subprocess
import sys

import bootstrap

#: What ESLint asks for; Debian 12 has 18.20, Debian 13 has 20.
OLDEST_NODE = (18, 18)
TOOLS = bootstrap.ROOT / "node_modules"
#: Without the packages' own install scripts: no tool needs one.
INSTALL = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]


def install() -> None:
    """Install the tools into `node_modules`, once for each version of the lock file.

    Exits with a sentence if Node.js is too old or npm fails.
    """
    found = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True)  # noqa: S607
    if node_version(found.stdout) < OLDEST_NODE:
        oldest = ".".join(map(str, OLDEST_NODE))
        sys.exit(
            f"The viewer's JavaScript is checked with Node.js {oldest} or later, and `node` is "
            f"{found.stdout.strip()}: install a later one."
        )
    locked = (bootstrap.ROOT / "package-lock.json").read_bytes()
    done = TOOLS / f".{hashlib.sha256(locked).hexdigest()[:16]}"  # npm ci removes older ones
    if done.exists():
        return
    print(f"Installing the tools of package-lock.json into {TOOLS} (60 MB; once)", flush=True)
    if subprocess.run(INSTALL, cwd=bootstrap.ROOT, check=False).returncode:
        sys.exit("npm could not install package-lock.json: see above; run this again to continue.")
    done.touch()


def node_version(text: str) -> tuple[int, ...]:
    """(20, 11, 1) from what `node --version` prints."""
    return tuple(int(part) for part in text.strip().removeprefix("v").split(".")[:3])
