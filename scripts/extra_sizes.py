"""What each optional extra adds on disk to the packages that cityseg needs anyway.

From the files of the packages that are installed here.
"""

import tomllib
from collections.abc import Iterable
from importlib.metadata import Distribution, distribution
from pathlib import Path

import bootstrap

PROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"


def main() -> None:
    """Print a table as Markdown."""
    project = tomllib.loads(PROJECT.read_text())["project"]
    core = needed(project["dependencies"])
    print(f"The core: {len(core)} packages, {megabytes(core.values()):,.0f} MB\n")
    print("| extra | MB | mostly |\n| --- | ---: | --- |")
    for extra, requirements in sorted(project["optional-dependencies"].items()):
        own = {name: each for name, each in needed(requirements).items() if name not in core}
        largest = sorted(own, key=lambda name: -megabytes([own[name]]))[:3]
        mostly = ", ".join(f"{name} {megabytes([own[name]]):.0f}" for name in largest)
        print(f"| {extra} | {megabytes(own.values()):.0f} | {mostly} |")


def needed(requirements: Iterable[str]) -> dict[str, Distribution]:
    """The packages of these requirements and all that they need, by name.

    Raises PackageNotFoundError if one is not installed.
    """
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    found: dict[str, Distribution] = {}
    seen, left = set(), [(Requirement(each), "") for each in requirements]
    while left:
        requirement, extra = left.pop()
        key = canonicalize_name(requirement.name), frozenset(requirement.extras), extra
        if key in seen or (
            requirement.marker and not requirement.marker.evaluate({"extra": extra})
        ):
            continue
        seen.add(key)
        found[key[0]] = distribution(requirement.name)
        left += [
            (Requirement(each), wanted)
            for each in found[key[0]].requires or ()
            for wanted in requirement.extras or {""}
        ]
    return found


def megabytes(packages: Iterable[Distribution]) -> float:
    """Of all files of these packages."""
    files = (each.locate_file(file) for each in packages for file in each.files or ())
    return sum(path.stat().st_size for path in map(Path, map(str, files)) if path.is_file()) / 1e6


if __name__ == "__main__":
    bootstrap.enter("requirements-dev.txt")
    main()
