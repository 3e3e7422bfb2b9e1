"""Which encoding the annotations of a dataset have, judged from what a sample of them shows.

Exact colours and a palette of Cityscapes colours prove themselves. Else what lies where decides
(`street_model.fits`), and where that leaves a doubt, an instance map or polygons beside a map that
agree with it in one encoding only. What cannot be decided is refused for the whole dataset, as a
mask in the wrong encoding is nonsense.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from cityseg.arrays import IntArray
from cityseg.data.encodings import (
    COMMON_COLORS,
    ENCODING_NAMES,
    LABEL_IDS_OF_VALUES,
    Encoding,
)
from cityseg.data.looks import Look
from cityseg.data.proofs import INSTANCE_MAP, POLYGONS, prove
from cityseg.data.street_model import NOTHING_SEEN, Seen, fits
from cityseg.errors import DatasetError
from cityseg.labels import IGNORE, LABEL_IDS_OF_CLASSES, LABEL_OF_ID

#: The fit that an encoding needs: that of the files' name if no other has all values, the same
#: beside others, and any other; more where a list of a tool's own labels lies beside. Measured on
#: 3,252 genuine maps: alone, whole ones were refused as label ids six times in a thousand; other
#: numberings of whole streets were accepted as often. Of maps with two or three labels nothing
#: better can be said than which encodings they fit.
_LEAST_FIT: Final = {"alone": -4.0, "named": -2.0, "other": 3.0}
_MORE_BESIDE_NAMES: Final = 3.0
#: Any other encoding needs 1 more for each value below this number: a few numbers of another tool,
#: such as 0 for road and 1 for sidewalk, fit by chance what many do not.
_MANY_VALUES: Final = 12
#: Of the names of the files, this much more is needed for more values than frames have of which a
#: part is labelled: objects numbered by another tool have some label ids, too.
_MORE_THAN_PART: Final = 4.0
_VALUES_OF_PART: Final = 5
#: A few values that only label ids have are label ids, unless they fit them worse than this: no
#: genuine maps with three labels did.
_LEAST_FIT_OF_FEW: Final = -10.0
#: How much the name of the files counts, and how much better the best encoding must fit.
_NAMED: Final = 2.0
_MARGIN: Final = 1.0
#: What fits this well and this much better than any other leaves no doubt.
_CERTAIN: Final = 6.0
_CERTAIN_MARGIN: Final = 5.0
#: Fewer pixels in the sample show no street.
_ENOUGH_PIXELS: Final = 1024
_TELLING_VALUES: Final = 4
#: Fewer annotations than this and this share of them are refused one by one.
_FEW: Final = 2
_FEW_OF: Final = 0.1
#: Files in which labelling tools list their own labels.
_NAMES: Final = (
    "label_colors.txt",
    "labelmap.txt",
    "label_map.txt",
    "classes.txt",
    "class_dict.csv",
)


_UNCLEAR: Final = "The encoding of the annotations is unclear"
_OTHERWISE: Final = "use label ids or polygons"
#: Ends the evidence where little is labelled.
_BY_NAME: Final = "; this proves little, so the names of the files and folders decided"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The encoding of a dataset's annotations, and the evidence in one sentence.

    `encoding` is None if it cannot be told; then `choices` are those that it could be, and
    `evidence` says what was found. `sample` changes with the files that were examined; it is empty
    if a person named the encoding.
    """

    encoding: Encoding | None
    evidence: str
    choices: tuple[Encoding, ...] = ()
    sample: str = ""

    def problem(self, remedy: str = "name it with --encoding") -> str:
        """Why there is no encoding that gives masks, and what to do; "" if there is one."""
        if self.encoding == "categories":
            return (
                f"The annotations hold category ids, which cannot give 19 classes ({self.evidence})"
                f": use label ids, train ids or polygons, or if it is another encoding, {remedy}"
            )
        if self.encoding:
            return ""
        names = [f"{choice} ({ENCODING_NAMES[choice]})" for choice in self.choices]
        if names:
            could_be = f"if they are {' or '.join(names)}, {remedy}, else"
            return f"{_UNCLEAR}: {self.evidence}; {could_be} {_OTHERWISE}"
        return f"{_UNCLEAR}: {self.evidence}; {_OTHERWISE}, or {remedy}"

    def checked(self) -> Encoding:
        """The encoding; raises DatasetError if there is none that gives masks."""
        if self.encoding is None or self.problem():
            raise DatasetError(self.problem())
        return self.encoding


def judge(looks: Sequence[Look], noun: str) -> Verdict:
    """Judge the encoding of all annotations from `looks`; `noun` is what messages call one."""
    telling = [look for look in looks if look.kind != "unusable" and not look.is_blank]
    if not looks:
        return Verdict("labelids", f"Assumed, as there is no {noun}")
    if not telling:
        shows = "shows a class" if any(look.is_blank for look in looks) else "can be read"
        beside = _names_beside(looks)
        named = f", and {beside} beside them lists a tool's own labels" if beside else ""
        return Verdict("labelids", f"Assumed, as no {noun} of the sample {shows}{named}")
    if mixed := _mixed(telling, noun):
        return Verdict(None, f"{mixed}, but all need the same")
    ((kind, _),) = Counter(look.kind for look in telling).most_common(1)
    if kind in ("palette", "colors"):
        of_kind = [look for look in telling if look.kind == kind]
        return _by_colors(of_kind, "palette" if kind == "palette" else "colors", noun)
    grey = [look for look in telling if look.kind == "grey"]
    known = [look for look in grey if look.fits]
    found = fits(_seen_in_all(known)) if known else {}
    by_places = _by_places(grey, known, found, noun)
    if by_places.encoding and len(known) == len(grey) and _certain(found):
        return by_places
    return _proved(grey, INSTANCE_MAP) or _proved(grey, POLYGONS) or by_places


def _by_colors(looks: Sequence[Look], encoding: Encoding, noun: str) -> Verdict:
    label_ids = sorted(set().union(*(np.unique(look.part).tolist() for look in looks)))
    if COMMON_COLORS.issuperset(label_ids):
        names = ", ".join(dict.fromkeys(str(LABEL_OF_ID[each].color) for each in label_ids))
        reason = (
            f"{_counted(looks, noun)} examined, with only the colours {names}, which many programs "
            "use: they prove no label"
        )
        return Verdict(None, reason, (encoding,))
    each = f"The {noun} of the sample has"
    if len(looks) > 1:
        each = f"Each of {len(looks)} {noun}s of the sample has"
    if encoding == "palette":
        return Verdict(encoding, f"{each} a palette of Cityscapes colours")
    swapped = sum(look.is_blue_first for look in looks)
    some = f"in {swapped} of them " if swapped < len(looks) else ""
    order = f", {some}with red and blue swapped" if swapped else ""
    return Verdict(encoding, f"{each} only colours of Cityscapes labels{order}")


def _seen_in_all(looks: Iterable[Look]) -> Seen:
    return sum((look.seen for look in looks), NOTHING_SEEN)


def _certain(found: dict[Encoding, float]) -> Encoding | None:
    """The encoding that fits beyond doubt, if there is one."""
    best, fit = next(iter(found.items()), (None, -np.inf))
    others = [fit for encoding, fit in found.items() if encoding != best]
    ahead = fit - max(others, default=-np.inf)
    return best if fit >= _CERTAIN and ahead >= _CERTAIN_MARGIN else None


# --- several encodings -----------------------------------------------------------------------


def _mixed(looks: Sequence[Look], noun: str) -> str:
    """What is mixed, if splits, or many of their annotations, have different encodings."""
    counts: dict[str, Counter[Encoding]] = {}
    for look in looks:
        if encoding := _certain_of(look):
            split = look.frame.split if look.frame else ""
            counts.setdefault(split, Counter())[encoding] += 1
    usual = {split: counter.most_common(1)[0][0] for split, counter in counts.items()}
    if len(set(usual.values())) > 1:
        holds = [f"{split} holds {ENCODING_NAMES[each]}" for split, each in usual.items()]
        return " and ".join(holds)
    firm = sum(counts.values(), Counter[Encoding]()).most_common(2)
    if len(firm) == 2 and firm[1][1] >= max(_FEW, _FEW_OF * len(looks)):
        hold = [f"{count} hold {ENCODING_NAMES[encoding]}" for encoding, count in firm]
        return f"of {len(looks)} {noun}s examined, {' and '.join(hold)}"
    return ""


def _certain_of(look: Look) -> Encoding | None:
    """The encoding of one annotation, if it is beyond doubt; void as 19 counts as train ids."""
    if look.kind == "palette":
        return "palette"
    if look.kind == "colors":
        return "colors"
    found = _certain(look.fits)
    return "trainids" if found == "trainids-void19" else found


# --- one encoding ----------------------------------------------------------------------------


def _proved(looks: Sequence[Look], beside: str) -> Verdict | None:
    proof = prove(looks, beside)
    if proof is None:
        return None
    if proof.encoding:
        names = ENCODING_NAMES[proof.encoding]
        return Verdict(proof.encoding, f"The {beside} of {proof.name} gives the {names}")
    return Verdict(None, f"in no encoding do values agree with the {beside} of {proof.name}")


def _by_places(
    looks: Sequence[Look], known: Sequence[Look], unweighed: dict[Encoding, float], noun: str
) -> Verdict:
    """What the places of values say of `looks`, of which those that fit an encoding are `known`.

    `unweighed` are the fits of all of these together.
    """
    beside = _names_beside(looks)
    named = f", and {beside} beside them lists a tool's own labels" if beside else ""
    # Values of no encoding are refused one by one where they are rare.
    if 2 * len(known) < len(looks):
        values = _listed(_seen_in_all(looks).values)
        sample = _counted(looks, noun)
        return Verdict(None, f"{sample} examined; values {values} are of no encoding{named}")
    seen = _seen_in_all(known)
    examined = f"{_counted(known, noun)} examined"
    values = _listed(seen.values)
    if set(seen.values.tolist()) in ({0, 1}, {0, IGNORE}, {1, IGNORE}, {0, 1, IGNORE}):
        return Verdict(None, f"{examined}, with only the values {values}: a mask of one label")
    examined += f"; values {values}"
    hint = next((look.frame.encoding_hint for look in known if look.frame), None) or "labelids"
    found = _weighed(unweighed, hint, seen)
    best, *others = found
    ahead = found[best] - max((found[other] for other in others), default=-np.inf)
    alone = not others and not beside and seen.values.size <= _TELLING_VALUES
    few = alone or seen.values.size == 1
    is_small = sum(look.part.size for look in known) < _ENOUGH_PIXELS
    if is_small or (few and found[best] >= _LEAST_FIT_OF_FEW):
        # Too little to say: the official files' own, unless it is clear.
        clear = seen.values.size >= _TELLING_VALUES and ahead > _CERTAIN_MARGIN
        best = best if clear or "labelids" not in found else "labelids"
        return Verdict(best, f"{examined}{_places(seen, best)}{_BY_NAME if best == hint else ''}")
    role = "other" if best != hint else "named" if others else "alone"
    least = _LEAST_FIT[role] + _NAMED * (best == hint) + _MORE_BESIDE_NAMES * bool(beside)
    if role == "named" and seen.values.size > _VALUES_OF_PART:
        least += _MORE_THAN_PART
    # There are eight categories, and all are refused; beyond doubt is beyond chance.
    is_certain = seen.values.size > _TELLING_VALUES and _certain(unweighed) == best
    if role == "other" and best != "categories" and not is_certain:
        least += max(0, _MANY_VALUES - seen.values.size)
    if found[best] < least:
        reason = f"{examined}, which lie where no encoding has its labels{named}"
        return Verdict(None, reason, tuple(found)[:3])
    if ahead < _MARGIN:
        choices = tuple(each for each in found if found[best] - found[each] < _MARGIN)
        return Verdict(None, f"{examined}, which fit several encodings{named}", choices)
    by_name = best == hint and found[best] < _CERTAIN + _NAMED
    return Verdict(best, f"{examined}{_places(seen, best)}{_BY_NAME if by_name else ''}")


def _weighed(found: dict[Encoding, float], hint: str, seen: Seen) -> dict[Encoding, float]:
    """The fits, with what the files are called counted in, the best first."""
    if hint != "labelids" or seen.pixels[LABEL_IDS_OF_CLASSES].any():
        found = {each: fit + _NAMED * (each == hint) for each, fit in found.items()}
    return {each: found[each] for each in sorted(found, key=lambda each: -found[each])}


def _counted(looks: Sequence[Look], noun: str) -> str:
    return f"{len(looks)} {noun}{'s' if len(looks) > 1 else ''}"


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


def _names_beside(looks: Sequence[Look]) -> Path | None:
    """A file that lists labels of a tool, in the folder of an annotation or in one above it."""
    path = next((look.frame.label_ids for look in looks if look.frame), None)
    for folder in path.parents[:5] if path else ():
        for name in _NAMES:
            if (folder / name).is_file():
                return folder / name
    return None
