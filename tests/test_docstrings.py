"""Names in backticks that point into cityseg exist.

Mirrors no module: it is about the docstrings of all of them.
"""

import ast
import functools
import re
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "cityseg"
DOTTED = re.compile(r"`([a-z_]\w*(?:\.\w+)+)(?:\(\))?`")
FILE_ENDINGS = {"css", "csv", "html", "js", "json", "jsonl", "lock", "log", "npy", "npz", "onnx",
                "png", "pt", "py", "safetensors", "toml", "txt", "zip"}  # fmt: skip


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def names_in(path: Path, tree: ast.Module) -> set[str]:
    """What a module defines at its top level; a package's front door also has what it imports."""
    found: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            if path.name == "__init__.py":
                found |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        else:
            found |= {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
    return found


@functools.cache
def sources() -> dict[str, str]:
    """The source of each module."""
    return {module_name(path): path.read_text() for path in sorted(PACKAGE.rglob("*.py"))}


@functools.cache
def trees() -> dict[str, ast.Module]:
    return {module: ast.parse(source) for module, source in sources().items()}


@functools.cache
def names() -> dict[str, set[str]]:
    """What each module defines at its top level."""
    paths = PACKAGE.rglob("*.py")
    return {module_name(path): names_in(path, trees()[module_name(path)]) for path in paths}


def modules_called(name: str) -> list[str]:
    """Modules whose dotted name is `name` or ends in it."""
    return [module for module in names() if f".{module}".endswith(f".{name}")]


def is_known(dotted: str) -> bool:
    """Whether `dotted` is a module, or a name in one; true if no module is called as it begins."""
    parts = dotted.split(".")
    if parts[-1] in FILE_ENDINGS or not modules_called(parts[0]):
        return True
    splits = range(1, len(parts) + 1)
    return any(
        at == len(parts) or parts[at] in names()[module]
        for at in splits
        for module in modules_called(".".join(parts[:at]))
    )


def variables(tree: ast.Module) -> set[str]:
    return {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}


def test_names_in_backticks_that_begin_with_a_module_exist() -> None:
    unknown = [
        f"{module}: {dotted}"
        for module, source in sources().items()
        for dotted in DOTTED.findall(source)
        if dotted.split(".")[0] not in variables(trees()[module]) and not is_known(dotted)
    ]
    assert unknown == []


def test_a_name_that_has_moved_is_found() -> None:
    assert is_known("data.annotations.REASONS")
    assert is_known("masks.convert")
    assert is_known("numpy.ndarray")
    assert not is_known("masks.REASONS")
    assert not is_known("data.annotation.REASONS")
