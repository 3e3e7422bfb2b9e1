"""Which prediction belongs to which ground truth: files of two folders, paired by name.

As in the official evaluator, a prediction for the ground truth of `<city>_<seq>_<frame>` is any
`<city>_<seq>_<frame>*.png`, at any depth. Frames of one name in several folders are paired by
folder. Names are compared without case and in Unicode's composed form.

Where the pictures of a frame are variants, such as three densities of fog, and the predictions are
named after them, each is a pair of its own with the one ground truth.
"""

import logging
import os
import re
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple, NoReturn

from cityseg.data import canonical
from cityseg.errors import ScoreError
from cityseg.evaluation.truth_files import Files, find_truths
from cityseg.wording import counted

logger = logging.getLogger(__name__)


#: What the name of a prediction has behind that of its frame where pictures have fog or rain:
#: `_leftImg8bit_foggy_beta_0.02`, with several parameters for rain.
_VARIANT: Final = re.compile(r"(?:_leftimg8bit)?(_(?:foggy|rain)(?:_[a-z]+_\d+(?:\.\d+)?)+)")


class Pair(NamedTuple):
    """The files of one frame; `name` is `<city>_<seq>_<frame>`, after its folder if need be.

    `annotation` has label ids or polygons.
    """

    name: str
    prediction: Path
    annotation: Path
    instance_ids: Path | None


def find_pairs(predictions: Path, ground_truth: Path, layout: str | None = None) -> list[Pair]:
    """Pair each ground truth below one folder with its prediction below another, sorted by name.

    `layout` is that of `find_truths`. Raises ScoreError unless each ground truth has exactly one
    prediction.
    """
    truths = find_truths(_files(ground_truth), ground_truth, layout)
    files = _files(predictions)
    candidates = [path for path in files if path.suffix.lower() == ".png"]
    found = _by_frame(sorted(truths), candidates)
    if missing := [stem for stem, paths in found.items() if not paths]:
        raise ScoreError(
            f"Predictions of {len(missing)} of {len(found)} frames are missing: the first would be "
            f"{missing[0]}*.png, anywhere below {predictions}{_instead(missing, files)}"
        )
    unused = set(candidates).difference(*found.values())
    if unused:
        logger.warning(
            "Not scored, without a ground truth: %s below %s, such as %s",
            *(counted(len(unused), "PNG file"), predictions, min(unused).relative_to(predictions)),
        )
    groups = {stem: _by_variant(stem, paths) for stem, paths in found.items()}
    _check_variants(groups)
    return [
        pair._replace(name=f"{pair.name}{variant}")
        for stem, variants in groups.items()
        for variant, paths in variants.items()
        for pair in _pairs_of(stem, truths[stem], paths)
    ]


def _by_variant(stem: str, paths: Sequence[Path]) -> dict[str, Sequence[Path]]:
    """The predictions of a frame by the variant that their names end with, such as a density.

    Under "" are all of them where they are of one picture, or where some do not name theirs.
    """
    found: dict[str, list[Path]] = {}
    for path in paths:
        match = _VARIANT.match(_folded(path.name)[len(_folded(stem)) :])
        found.setdefault(match[1] if match else "", []).append(path)
    if len(found) == 1 or "" in found:
        return {"": paths}
    return {variant: found[variant] for variant in sorted(found)}


def _check_variants(groups: Mapping[str, Mapping[str, Sequence[Path]]]) -> None:
    """Raise ScoreError if frames with several variants lack one that others have."""
    every = {variant for variants in groups.values() for variant in variants}
    if every == {""}:
        return
    for stem, variants in groups.items():
        if lacking := sorted(every - {""} - variants.keys()):
            raise ScoreError(
                f"There are predictions of {', '.join(each[1:] for each in sorted(every - {''}))}, "
                f"but {stem} has none of {lacking[0][1:]}: score one of them at a time, in a "
                "folder of its own, or add what is missing"
            )


def _pairs_of(stem: str, truths: dict[Path, Files], paths: Sequence[Path]) -> list[Pair]:
    pairs = []
    for folder, files in sorted(truths.items()):
        name = stem if len(truths) == 1 else f"{folder.name}/{stem}"
        prediction = _prediction(stem, folder, list(truths), paths)
        annotation = files.get("label_ids") or files["polygons"]
        pairs.append(Pair(name, prediction, annotation, files.get("instance_ids")))
    names = [pair.name for pair in pairs]
    if len(set(names)) < len(names):  # of two splits
        pairs = [pair._replace(name=f"{pair.annotation.parent}/{stem}") for pair in pairs]
    return pairs


# --- files -----------------------------------------------------------------------------------


def _files(folder: Path) -> list[Path]:
    """The visible files below `folder`, also behind links to folders."""
    if not folder.is_dir():
        if folder.exists():
            raise ScoreError(f"{folder} is a file: name its folder")
        raise ScoreError(f"There is no folder {folder}: check the path")
    found: list[Path] = []
    seen: set[tuple[int, int]] = set()
    for top, folders, names in os.walk(folder, followlinks=True, onerror=_refuse_folder):
        status = Path(top).stat()
        if (status.st_dev, status.st_ino) in seen:  # a link back to where the walk has been
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        paths = [Path(top, name) for name in names if not name.startswith(".")]
        if broken := [path for path in paths if not path.suffix and _leads_nowhere(path)]:
            raise ScoreError(
                f"{broken[0]} is a link to {broken[0].readlink()}, which cannot be reached: mend "
                "the link, or remove it"
            )
        found += paths
    return found


def _leads_nowhere(path: Path) -> bool:
    """Whether `path` is a link without its target: of a city, fewer frames would count."""
    try:
        return path.is_symlink() and not path.exists()
    except OSError:  # a link to itself
        return True


def _refuse_folder(error: OSError) -> NoReturn:
    """Without it, `os.walk` passes over a folder that it cannot read: fewer frames would count."""
    raise ScoreError(
        f"The folder {error.filename} cannot be read ({error.strerror}): check its permissions"
    ) from error


# --- pairs -----------------------------------------------------------------------------------


def _folded(name: str) -> str:
    return canonical(name).casefold()


def _by_frame(stems: Sequence[str], candidates: Sequence[Path]) -> dict[str, list[Path]]:
    """For each stem the paths that start with it, and with no longer stem or number."""
    ordered = sorted((_folded(path.name), path) for path in candidates)
    names = [name for name, _ in ordered]
    found: dict[str, list[Path]] = {}
    taken: set[Path] = set()
    for stem in sorted(stems, key=len, reverse=True):
        start, paths = _folded(stem), list[Path]()
        for name, path in ordered[bisect_left(names, start) :]:
            if not name.startswith(start):
                break
            if not name[len(start) : len(start) + 1].isdigit() and path not in taken:
                paths.append(path)
        taken.update(paths)
        found[stem] = paths
    return {stem: found[stem] for stem in stems}


def _instead(missing: Sequence[str], files: Sequence[Path]) -> str:
    """Of frames without a prediction: what has their names, but another suffix."""
    others = [path for path in files if path.suffix.lower() != ".png"]
    found = [path for paths in _by_frame(missing, others).values() for path in paths]
    if not found:
        return ""
    return f". {found[0]} is no PNG: write predictions as PNG, which keeps their values"


def _prediction(stem: str, folder: Path, folders: Sequence[Path], paths: Sequence[Path]) -> Path:
    """The one of `paths` that belongs to the ground truth `stem` in `folder`, one of `folders`."""
    if len(folders) == 1:
        if len(paths) > 1:
            raise ScoreError(
                f"Two files are the prediction of {stem}, {paths[0]} and {paths[1]}: keep one of "
                "them, or name the folder that has one of each frame"
            )
        return paths[0]
    for depth in range(1, len(folder.parts)):
        end = folder.parts[-depth:]
        if sum(other.parts[-depth:] == end for other in folders) == 1:
            of_folder = [path for path in paths if path.parent.parts[-depth:] == end]
            if len(of_folder) == 1:
                return of_folder[0]
            break
    raise ScoreError(
        f"Two files are the ground truth of {stem}, in {folders[0]} and {folders[1]}: put their "
        "predictions into folders of the same names, or name the folder of one split"
    )
