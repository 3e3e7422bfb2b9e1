"""Which encoding the annotations of a dataset have: one verdict for all, from a sample of them.

Proofs come first: exact colours, a palette of Cityscapes colours, instance maps or polygons beside
that agree with the map in one encoding only. Then what lies where (`encodings.fits`) decides. What
cannot be told is refused for the whole dataset, as a mask in the wrong encoding is nonsense.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from cityseg.arrays import IntArray, Uint8Array, as_uint8
from cityseg.data import png
from cityseg.data.annotations import (
    MAX_PIXELS,
    check_png,
    decode_as_stored,
    read_bytes,
    read_grey_png,
    read_label_ids,
    read_palette,
)
from cityseg.data.dataset import Frame
from cityseg.data.encodings import (
    ENCODING_NAMES,
    LABEL_IDS_OF_VALUES,
    NOTHING_SEEN,
    Encoding,
    Seen,
    fits,
    label_ids_of_colors,
    seen_in,
)
from cityseg.data.layouts import SPLITS
from cityseg.errors import DatasetError, MaskError, ScoreError
from cityseg.labels import (
    IGNORE,
    INSTANCES_PER_LABEL,
    LABEL_IDS_OF_CLASSES,
    NUM_CLASSES,
)
from cityseg.system import map_in_threads

#: Annotations of a split that are examined.
_SAMPLE: Final = 24
#: How much better the best encoding must fit than the next, and how well it must fit at all;
#: with names of a tool's own labels beside the annotations, better. Chosen by hand:
#: genuine maps, also those of which a few labels were kept, fit with −2.5 and more; shuffled
#: numberings of 20 labels mostly with less, but some of 12 labels with up to −1.7.
_MARGIN: Final = 0.25
_LOWEST_FIT: Final = -2.6
_LOWEST_FIT_BESIDE_NAMES: Final = -2.1
#: Fewer pixels in the sample show no street.
_ENOUGH_PIXELS: Final = 1024
_TELLING_VALUES: Final = 4
_CLEAR: Final = 1.0
#: Files in which labelling tools list their own labels.
_NAMES: Final = (
    "label_colors.txt",
    "labelmap.txt",
    "label_map.txt",
    "classes.txt",
    "class_dict.csv",
)
_AGREEING: Final = 0.95


@dataclass(frozen=True, slots=True)
class Verdict:
    """The encoding of a dataset's annotations, and the evidence in one sentence.

    `encoding` is None if it cannot be told; then `choices` are those that it could be, and
    `evidence` says what was found.
    """

    encoding: Encoding | None
    evidence: str
    choices: tuple[Encoding, ...] = ()

    def checked(self) -> Encoding:
        """The encoding; raises DatasetError if there is none that gives masks."""
        if self.encoding == "categories":
            raise DatasetError(
                f"The annotations hold category ids, which cannot give 19 classes ({self.evidence})"
                ": use label ids, train ids or polygons, or name another encoding with --encoding"
            )
        if self.encoding:
            return self.encoding
        names = [f"{choice} ({ENCODING_NAMES[choice]})" for choice in self.choices]
        raise DatasetError(
            f"The encoding of the annotations is unclear: {self.evidence}; "
            + (
                f"they could be {' or '.join(names)}: "
                if names
                else "use label ids or polygons, or "
            )
            + "name it with --encoding"
        )


@dataclass(slots=True)
class _Look:
    """What one annotation shows: its kind, and of values what is seen in how many pixels."""

    kind: str
    seen: Seen = NOTHING_SEEN
    pixels: int = 0
    frame: Frame | None = None


def examine(frames: Sequence[Frame]) -> Verdict:
    """Look at annotations of all splits of `frames`, and judge their encoding."""
    chosen = [
        (frame, frame.label_ids)
        for split in SPLITS
        for frame in _spread([f for f in frames if f.split == split and f.label_ids])
        if frame.label_ids
    ]
    looks = list(map_in_threads(_look, [path for _, path in chosen]))
    for (frame, _), look in zip(chosen, looks, strict=True):
        look.frame = frame
    return _judge(looks, "annotation")


def _spread(frames: Sequence[Frame]) -> list[Frame]:
    return (
        [frames[i] for i in np.linspace(0, len(frames) - 1, _SAMPLE).astype(int)]
        if (len(frames) > _SAMPLE)
        else list(frames)
    )


def examine_files(paths: Sequence[Path]) -> Verdict:
    """Look at some of the label maps `paths`, and judge their encoding."""
    step = max(1, len(paths) // _SAMPLE)
    return _judge(list(map_in_threads(_look, paths[::step][:_SAMPLE])), "file")


# --- one file --------------------------------------------------------------------------------


def _look(path: Path) -> _Look:
    try:
        content = read_bytes(path)
        header = check_png(content, path, "")
        if not 0 < header.width * header.height <= MAX_PIXELS:
            return _Look("damaged")
        if header.color_type == png.PALETTE:
            lookup = read_palette(content)[1]
            return _Look("other" if lookup is None or not lookup.any() else "palette")
    except MaskError:
        return _Look("damaged")
    if header.color_type in (png.RGB, png.RGBA) and header.bit_depth == 8:
        picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR_RGB)
        label_ids = None if picture is None else label_ids_of_colors(as_uint8(picture[::4, ::4]))
        # A black picture is a map of void, or anything else.
        return _Look("other" if label_ids is None or not label_ids.any() else "colors")
    values = _grey_values(content, header)
    return _Look("other") if values is None else _Look("grey", seen_in(values), values.size)


def _grey_values(content: bytes, header: png.Header) -> Uint8Array | None:
    if (header.color_type, header.bit_depth) != (png.GREY, 8):
        return None
    values = decode_as_stored(content, header, np.uint8)
    return None if values is None else as_uint8(values)


def _is_blank(look: _Look) -> bool:
    """Whether nothing is annotated, as in the test split: label ids 0–6, or void alone."""
    values = look.seen.values
    in_test = look.frame is not None and look.frame.split == "test"
    return bool(np.isin(values, [*range(7), IGNORE]).all()) and (in_test or values.size == 1)


# --- all of them -----------------------------------------------------------------------------


def _judge(looks: Sequence[_Look], noun: str) -> Verdict:
    kinds = Counter(look.kind for look in looks if look.kind in ("grey", "palette", "colors"))
    if not kinds:
        return Verdict("labelids", f"No {noun} of the sample shows another encoding")
    kind, count = kinds.most_common(1)[0]
    if kind == "palette":
        return Verdict("palette", f"{_of(count, noun)} has a palette of Cityscapes colours")
    if kind == "colors":
        return Verdict("colors", f"{_of(count, noun)} has only colours of Cityscapes labels")
    telling = [look for look in looks if look.kind == "grey" and not _is_blank(look)]
    if not telling:
        return Verdict("labelids", f"No {noun} of the sample shows a class")
    return _proved(telling) or _by_places(telling, noun)


def _of(count: int, noun: str) -> str:
    return f"The {noun} of the sample" if count == 1 else f"Each of {count} {noun}s of the sample"


def _by_places(looks: Sequence[_Look], noun: str) -> Verdict:
    seen = sum((look.seen for look in looks), NOTHING_SEEN)
    values = _listed(seen.values)
    sample = f"{len(looks)} {noun}{'s' if len(looks) > 1 else ''}"
    if set(seen.values.tolist()) in ({0, 1}, {0, IGNORE}, {1, IGNORE}, {0, 1, IGNORE}):
        return Verdict(
            None, f"{sample} examined, with only the values {values}: a mask of one label"
        )
    found = fits(seen)
    beside = _names_beside(looks)
    named = f", and {beside} beside them lists a tool's own labels" if beside else ""
    if not found:
        # Values of no encoding: refused one by one if rare, for all if nearly each has some.
        foreign = sum(not fits(look.seen) for look in looks)
        if foreign * 2 <= len(looks):
            return _by_places([look for look in looks if fits(look.seen)], noun)
        if not beside:
            return Verdict("labelids", f"{sample} examined, with values that are no label ids")
        return Verdict(None, f"{sample} examined; values {values}{named}")
    return _best(found, seen, sum(look.pixels for look in looks), sample, beside)


def _best(
    found: dict[Encoding, float], seen: Seen, pixels: int, sample: str, beside: Path | None
) -> Verdict:
    """Choose among the encodings that have all values by their fit."""
    best, *others = found
    ahead = found[best] - max((found[other] for other in others), default=-np.inf)
    examined = f"{sample} examined; values {_listed(seen.values)}"
    if pixels < _ENOUGH_PIXELS or seen.values.size == 1:  # no street: the official files' own
        clear = seen.values.size >= _TELLING_VALUES and ahead > _CLEAR
        best = best if clear or "labelids" not in found else "labelids"
        return Verdict(best, f"{examined}{_places(seen, best)}")
    named = f", and {beside} beside them lists a tool's own labels" if beside else ""
    if found[best] < (_LOWEST_FIT_BESIDE_NAMES if beside else _LOWEST_FIT):
        reason = f"{examined}, which lie where no encoding has its labels{named}"
        return Verdict(None, reason, tuple(found)[:3])
    if ahead < _MARGIN:
        choices = tuple(each for each in found if found[best] - found[each] < _MARGIN)
        return Verdict(None, f"{examined}, which fit several encodings{named}", choices)
    return Verdict(best, f"{examined}{_places(seen, best)}")


def _listed(values: IntArray) -> str:
    """Values such as 0, 1, 2, 5 as "0–2, 5"."""
    groups: list[list[int]] = []
    for value in values.tolist():
        if groups and groups[-1][-1] == value - 1:
            groups[-1].append(value)
        else:
            groups.append([value])
    texts = [f"{g[0]}–{g[-1]}" if len(g) > 2 else ", ".join(map(str, g)) for g in groups]
    return ", ".join(texts[:12]) + (", …" if len(texts) > 12 else "")


_LANDMARKS: Final = ((7, "road", 1), (23, "sky", 5), (26, "car", 7))


def _places(seen: Seen, encoding: Encoding) -> str:
    """Where road, sky and cars lie in that encoding, from the top."""
    found = []
    for label_id, name, category in _LANDMARKS:
        if encoding == "categories":
            value = category
        else:
            value = int(np.flatnonzero(LABEL_IDS_OF_VALUES[encoding] == label_id)[0])
        if seen.pixels[value]:
            found.append(f"{name} ({value}) lies {seen.mean_rows[value]:.0%} from the top")
    return f": {', '.join(found)}" if found else ""


def _names_beside(looks: Sequence[_Look]) -> Path | None:
    """A file that lists labels of a tool, in the folder of an annotation or in one above it."""
    path = next((look.frame.label_ids for look in looks if look.frame), None)
    for folder in path.parents[:5] if path else ():
        for name in _NAMES:
            if (folder / name).is_file():
                return folder / name
    return None


# --- proofs ----------------------------------------------------------------------------------


def _proved(looks: Sequence[_Look]) -> Verdict | None:
    """The encoding in which a map agrees with its instance map or its polygons, if only one."""
    for what in ("instance map", "polygons"):
        for look in looks:
            if look.frame is None or look.frame.label_ids is None:
                continue
            label_ids = _beside(look.frame, what)
            if label_ids is None:
                continue
            agreeing = _agreeing(look.frame.label_ids, label_ids)
            if len(agreeing) == 1:
                (encoding,) = agreeing
                names = ENCODING_NAMES[encoding]
                return Verdict(encoding, f"The {what} of {look.frame.name} gives the {names}")
            break  # one is enough: rasterising takes time
    return None


def _beside(frame: Frame, what: str) -> IntArray | None:
    """The label ids that the other annotation of a frame gives; None if it has or gives none."""
    try:
        if what == "polygons":
            return read_label_ids(frame.polygons).astype(np.int64) if frame.polygons else None
        if frame.instance_ids is None:
            return None
        ids = read_grey_png(frame.instance_ids, np.uint16).astype(np.int64)
    except (MaskError, ScoreError):
        return None
    return np.where(ids >= INSTANCES_PER_LABEL, ids // INSTANCES_PER_LABEL, ids)


def _agreeing(path: Path, label_ids: IntArray) -> list[Encoding]:
    """The encodings in which a map has `label_ids` wherever these are classes."""
    content = read_bytes(path)
    header = png.read_header(content)
    values = _grey_values(content, header) if header else None
    if values is None or values.shape != label_ids.shape:
        return []
    of_class = np.isin(label_ids, LABEL_IDS_OF_CLASSES)
    if not of_class.any():
        return []
    seen, wanted = values[of_class], label_ids[of_class]
    return [
        encoding
        for encoding, table in LABEL_IDS_OF_VALUES.items()
        if (table[seen] == wanted).mean() >= _AGREEING
        and (encoding != "trainids-void19" or (values == NUM_CLASSES).any())
    ]
