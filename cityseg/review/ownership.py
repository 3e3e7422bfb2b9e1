"""Which ledger belongs to which dataset, where several folders have one name.

    reviews/<name>.jsonl             the ledger of the first dataset of that name
    reviews/<name>/dataset.json      where that dataset lies
    reviews/<name>-<digest>.jsonl    the ledger of another one; the digest is that of its path

Earlier versions wrote no dataset.json, and a dataset may be moved. A ledger whose dataset is not
known, or no longer lies where it did, belongs to the dataset whose annotations were judged in it:
one digest of an annotation that it names is that of the dataset's own. A ledger that has only tags
belongs to a dataset that has one of the frames, and so does one without a dataset.json if no digest
is known: all its verdicts are stale then. As copies of a dataset have frames of the same names, one
whose annotations were judged in it may claim it later.

Datasets of one name shared a ledger in earlier versions. One that gets a ledger of its own takes
along what was said there of its own annotations until then; nothing is ever removed.
"""

import hashlib
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import chain, islice
from pathlib import Path
from typing import Final

from cityseg.data import Frame, find_frames
from cityseg.errors import DatasetError
from cityseg.review.lines import LINE, Line, TagChange, Undo, Verdict
from cityseg.system import (
    Count,
    FileModel,
    JsonError,
    Lock,
    parse_as,
    read_or_none,
    replacing,
    write_json,
)

#: In the folder of findings, beside the ledger.
OWNER: Final = "dataset.json"
#: Annotations are read until one fits: so many at most.
_MOST_READ: Final = 300

#: `annotation_digest`.
Digest = Callable[[Frame], str]


class Owner(FileModel):
    """Where the dataset of a ledger lies.

    The first `shared` bytes of the ledger were written before it was known to be this dataset's.
    `by_names` is whether only names of frames say that it is.
    """

    path: str
    shared: Count = 0
    by_names: bool = False


def owned_ledger(data: Path, reviews: Path, digest: Digest) -> Path:
    """The ledger of a dataset in the folder `reviews`.

    The first dataset of a name that is asked for owns `<name>.jsonl` from then on. That is recorded
    once the folder exists: to look at a dataset does not create one.
    """
    own = data.resolve()
    name = own.name or "dataset"
    plain = reviews / name
    apart = reviews / f"{name}-{hashlib.blake2b(os.fsencode(own), digest_size=4).hexdigest()}"
    for stem in chain((plain, apart), _owned(reviews)):  # a renamed dataset keeps its ledger's name
        if (owner := _owner(stem)) and owner.path == _text(own):
            return ledger_of(stem)
    if not own.is_dir():
        return ledger_of(plain)
    if not reviews.is_dir():
        return ledger_of(plain if _promised.setdefault(plain, own) == own else apart)
    try:
        with Lock.take_folder(reviews):
            return ledger_of(_claimed(own, plain, apart, digest))
    except OSError:  # nothing can be written there, or another process is slow
        return ledger_of(plain if _is_free(plain) else apart)


#: Ledgers that this process has named before their folder existed, with the datasets.
_promised: Final[dict[Path, Path]] = {}


def ledger_of(stem: Path) -> Path:
    """The ledger beside a folder of findings."""
    return stem.with_name(f"{stem.name}.jsonl")


def _claimed(own: Path, plain: Path, apart: Path, digest: Digest) -> Path:
    """The folder of findings that belongs to `own` from now on; raises OSError."""
    first = _promised.pop(plain, None)
    if first and first.is_dir() and _owner(plain) is None:
        _claim(plain, first)
        if first == own:
            return plain
    frames = _frames(own)
    if ledger_of(plain).is_file() and not frames and _is_free(plain):
        return plain  # whose it is shows itself once the dataset can be listed
    found, by_names = _found(plain, frames, digest), False
    if found is None and not (plain / OWNER).exists() and _names_one(plain, frames):
        found, by_names = plain, True
    if found is None:
        found = apart
        _take_along(plain, apart, frames, digest)
    ledger = ledger_of(found)
    _claim(found, own, ledger.stat().st_size if ledger.is_file() else 0, by_names=by_names)
    return found


def _found(plain: Path, frames: Mapping[str, Frame], digest: Digest) -> Path | None:
    """Where a ledger that no dataset has was written about these frames, or may be begun."""
    old = (s for s in dict.fromkeys([plain, *_owned(plain.parent)]) if ledger_of(s).is_file())
    fitting = (each for each in old if _may_be_claimed(each) and _fits(each, frames, digest))
    is_new = _is_free(plain) and not ledger_of(plain).is_file()
    return next(fitting, plain if is_new else None)


def _owned(reviews: Path) -> Iterator[Path]:
    """The folders of findings whose datasets are known."""
    for path in sorted(reviews.glob(f"*/{OWNER}")):
        yield path.parent


def _owner(stem: Path) -> Owner | None:
    return read_or_none(stem / OWNER, Owner)


def _is_free(stem: Path) -> bool:
    """Whether no dataset is known to have this ledger, or that one is not there any more."""
    owner = _owner(stem)
    return owner is None or not Path(owner.path).is_dir()


def _may_be_claimed(stem: Path) -> bool:
    """Whether a ledger is free, or only names of frames say whose it is."""
    owner = _owner(stem)
    return _is_free(stem) or (owner is not None and owner.by_names)


def _claim(stem: Path, own: Path, shared: int = 0, *, by_names: bool = False) -> None:
    stem.mkdir(exist_ok=True)
    owner = Owner(path=_text(own), shared=shared, by_names=by_names)
    write_json(stem / OWNER, owner.model_dump())


def _text(path: Path) -> str:
    """A path as text that any JSON can hold."""
    return os.fsencode(path).decode(errors="backslashreplace")


def _frames(data: Path) -> dict[str, Frame]:
    try:
        return {frame.name: frame for frame in find_frames(data)}
    except DatasetError:
        return {}


def _fits(stem: Path, frames: Mapping[str, Frame], digest: Digest) -> bool:
    """Whether a ledger was written about these frames; raises OSError."""
    lines = [line for _, line in _lines(ledger_of(stem))]
    verdicts = [each for each in lines if isinstance(each, Verdict)]
    if verdicts:
        return next(_judged(verdicts, frames, digest, _MOST_READ), None) is not None
    tags = [each for each in lines if isinstance(each, TagChange)]
    return not lines or any(each.frame in frames for each in tags)


def _names_one(stem: Path, frames: Mapping[str, Frame]) -> bool:
    """Whether a verdict of a ledger, if there is one, is on one of these; raises OSError."""
    ledger = ledger_of(stem)
    lines = _lines(ledger) if ledger.is_file() else ()
    return any(isinstance(line, Verdict) and line.frame in frames for _, line in lines)


def _judged(
    verdicts: Iterable[Verdict],
    frames: Mapping[str, Frame],
    digest: Digest,
    most: int | None = None,
) -> Iterator[tuple[str, str]]:
    """The frames whose annotations are those that were judged, with the digest of each."""
    named = dict.fromkeys((each.frame, each.annotation) for each in verdicts)
    there = islice((each for each in named if each[0] in frames), most)
    return (each for each in there if digest(frames[each[0]]) == each[1])


def _take_along(plain: Path, apart: Path, frames: Mapping[str, Frame], digest: Digest) -> None:
    """Copy what was judged of these frames before the ledgers were apart; raises OSError."""
    owner, source, target = _owner(plain), ledger_of(plain), ledger_of(apart)
    if not owner or not owner.shared or target.exists() or not source.is_file():
        return
    lines = list(_lines(source, owner.shared))
    verdicts = [each for _, each in lines if isinstance(each, Verdict)]
    judged = set(_judged(verdicts, frames, digest))
    kept = {each.id for each in verdicts if (each.frame, each.annotation) in judged}
    if not kept:
        return

    def is_own(line: Line) -> bool:
        if isinstance(line, TagChange):
            return line.frame in frames
        return (line.undone if isinstance(line, Undo) else line.id) in kept

    with replacing(target) as file:
        os.fchmod(file.fileno(), 0o600)
        file.writelines(content for content, line in lines if is_own(line))


def _lines(ledger: Path, most_bytes: float = math.inf) -> Iterator[tuple[bytes, Line]]:
    """The lines of a ledger that can be read, with their bytes; raises OSError."""
    read = 0
    with ledger.open("rb") as file:
        for content in file:
            read += len(content)
            if read > most_bytes:
                return
            with suppress(JsonError):
                yield content, parse_as(content, LINE)
