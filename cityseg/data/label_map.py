"""Names of objects that Cityscapes does not have: list them, suggest labels, read assigned ones.

Other tools and other hands write `Road` or `traffic_light`. Such a name is never guessed: it is
listed with the nearest label, and a label map, a file that a person writes, assigns a label to it.
"""

import difflib
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from cityseg.errors import DatasetError, MaskError
from cityseg.labels import LABEL_OF_NAME, Label
from cityseg.system import JsonError, parse_json, read_at_most

#: Name of an object -> its label, or None where objects of that name are not drawn.
LabelMap = Mapping[str, Label | None]
NO_LABEL_MAP: Final[LabelMap] = MappingProxyType({})

_MOST_BYTES: Final = 1 << 20

#: In a label map, in place of a label: objects of that name are not drawn.
IGNORE_NAME: Final = "ignore"
#: In messages, names are cut to so many characters, and lists of them to so many names.
_LONG: Final = 40
_LISTED: Final = 20


class UnknownNamesError(MaskError):
    """Objects have names that are no labels; `names` has the number of objects of each."""

    def __init__(self, path: Path, names: Counter[str]) -> None:
        """Name them all: one at a time would take as many conversions."""
        super().__init__(
            "unknown_label",
            f"{path} has label names that Cityscapes does not have "
            f"({', '.join(map(_suggestion, list(names)[:_LISTED]))}): assign labels to them in a "
            "label map",
        )
        self.names = names


def load_label_map(path: Path) -> LabelMap:
    """Read a file that assigns labels to other names: JSON, or a line `name = label` for each.

    `ignore` in place of a label leaves the objects of that name out. Empty lines and those that
    begin with # are comments. Raises DatasetError if the file has anything else.
    """
    try:
        content = read_at_most(path, _MOST_BYTES)
        if content is None:
            raise DatasetError(f"{path} is too large for a label map: name a text file")
        text = content.decode("utf-8-sig")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no UTF-8 text"
        raise DatasetError(f"The label map {path} cannot be read ({reason}): check it") from error
    pairs = _pairs_of_json(text, path) if text.lstrip().startswith("{") else _pairs(text, path)
    names: dict[str, str] = {}
    for name, label in pairs:
        if names.setdefault(name, label) != label:
            raise DatasetError(
                f"The label map {path} assigns two labels to {shortened(name)!r}, {names[name]!r} "
                f"and {shortened(label)!r}: keep one of them"
            )
    return labels_of_names(names, path)


def labels_of_names(names: Mapping[str, str], path: Path) -> LabelMap:
    """The label map of names and names of labels, or "ignore"; `path` is for messages.

    Raises DatasetError if a label is none.
    """
    return {name: _target(name, label, path) for name, label in names.items()}


def names_of_labels(label_map: LabelMap) -> dict[str, str]:
    """The reverse of `labels_of_names`."""
    return {name: label.name if label else IGNORE_NAME for name, label in label_map.items()}


def _pairs(text: str, path: Path) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        name, equals, label = line.rpartition("=")
        if not (equals and name.strip() and label.strip()):
            raise DatasetError(
                f"Line {number} of the label map {path} is {shortened(line)!r}: write a name, =, "
                "and a label"
            )
        yield name.strip(), label.strip()


def _pairs_of_json(text: str, path: Path) -> Iterator[tuple[str, str]]:
    try:
        names = parse_json(text)
    except JsonError as error:
        raise DatasetError(f"The label map {path} is no valid JSON: correct it") from error
    for name, label in names.items():
        if not isinstance(label, str):
            raise DatasetError(
                f"The label map {path} assigns no name to {shortened(name)!r}: write a label's "
                "name in quotes"
            )
        yield name, label


def _target(name: str, label: str, path: Path) -> Label | None:
    if label == IGNORE_NAME:
        return None
    if label not in LABEL_OF_NAME:
        near = nearest_label(label)
        raise DatasetError(
            f"The label map {path} maps {shortened(name)!r} to {shortened(label)!r}, which is no "
            f"Cityscapes label{f' ({near}?)' if near else ''}: choose {IGNORE_NAME} or one of "
            f"{', '.join(LABEL_OF_NAME)}"
        )
    return LABEL_OF_NAME[label]


def nearest_label(name: str) -> str | None:
    """The label that `name` seems to mean, as `Traffic_light` or `cars` do; None if none."""
    key = _plain(name)
    labels = {_plain(label): label for label in LABEL_OF_NAME}
    near = difflib.get_close_matches(key.removesuffix("group"), labels, n=1, cutoff=0.85)
    return labels.get(key) or (labels[near[0]] if near else None)


def _plain(name: str) -> str:
    return "".join(filter(str.isalnum, name[:_LONG])).casefold()


def unknown_names_message(
    names: Mapping[str, int], remedy: str = "convert again with --label-map FILE"
) -> str:
    """List `names`, each with the number of its objects, and say how to assign labels to them.

    `remedy` says what to do with the file that assigns them.
    """
    listed = Counter(names).most_common(_LISTED)
    lines = [f"{count:8,d} {_suggestion(name)}" for name, count in listed]
    if len(names) > len(listed):
        lines.append(f"         and {len(names) - len(listed):,} more")
    return "\n".join(
        [
            "Objects in the polygons have names that are no Cityscapes labels:",
            *lines,
            "Write a line such as Road = road for each into a file (ignore in place of a label "
            f"leaves its objects out), and {remedy}",
        ]
    )


def _suggestion(name: str) -> str:
    near = nearest_label(name)
    return f"{shortened(name)!r}, perhaps {near}" if near else f"{shortened(name)!r}"


def shortened(text: str) -> str:
    """Cut a long name, for messages."""
    return text if len(text) <= _LONG else f"{text[: _LONG - 1]}…"
