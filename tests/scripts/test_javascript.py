"""The tools for the viewer's JavaScript: which ones, from where, and what is missing for them."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

SCRIPTS = Path(__file__).parents[2] / "scripts"
LOCK = json.loads((SCRIPTS.parent / "package-lock.json").read_text())


def test_the_lock_file_has_digests_and_names_no_registry() -> None:
    packages = {name: package for name, package in LOCK["packages"].items() if name}
    assert packages
    assert [name for name, package in packages.items() if "integrity" not in package] == []
    assert [name for name, package in packages.items() if "resolved" in package] == []


def test_the_tools_are_pinned() -> None:
    wanted = json.loads((SCRIPTS.parent / "package.json").read_text())["devDependencies"]
    assert LOCK["packages"][""]["devDependencies"] == wanted
    assert [
        version for version in wanted.values() if not re.fullmatch(r"\d+\.\d+\.\d+", version)
    ] == []


def test_a_node_that_is_too_old_is_named(tmp_path: Path) -> None:
    node = tmp_path / "node"
    node.write_text("#!/bin/sh\necho v12.22.9\n")
    node.chmod(0o755)
    done = subprocess.run(
        [sys.executable, "-c", "import javascript; javascript.install()"],
        cwd=SCRIPTS,
        env=os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "Node.js 18.18 or later, and `node` is v12.22.9: install a later one" in done.stderr
