"""The archive that the evaluation server of Cityscapes takes, and the checks that it makes.

One PNG of label ids at the size of the picture for each frame of the test split, called
`<city>_<seq>_<frame>*.png`, anywhere in a zip, and no second one.
Sources: the evaluator of cityscapesscripts, evalPixelLevelSemanticLabeling.py, and its issue 65.
"""

import io
import re
import zipfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import numpy as np
from PIL import Image

from cityseg.arrays import Uint8Array
from cityseg.data import (
    DAMAGE,
    Frame,
    decode_frame,
    find_frames,
    is_metadata,
    picture_pixel_aspect,
)
from cityseg.errors import CitysegError, DatasetError, ImageError, ScoreError
from cityseg.labels import IGNORE, LABEL_IDS_OF_CLASSES, NUM_CLASSES, NUM_LABEL_IDS
from cityseg.system import (
    ProgressCallback,
    available_cores,
    check_output_file,
    check_regular,
    map_in_threads,
    read_regular_file,
    replacing,
)
from cityseg.wording import counted

if TYPE_CHECKING:
    from cityseg.prediction import Predictor

SPLIT: Final = "test"
#: Of the test split, and of each of its pictures.
OFFICIAL_FRAMES: Final = 1525
OFFICIAL_HW: Final = (1024, 2048)
_SUFFIX: Final = "_labelIds.png"
#: Of one PNG; a frame of noise has 2 MB.
_MOST_BYTES: Final = 64 << 20
#: How the name of a prediction begins: `<city>_<seq>_<frame>`.
_OFFICIAL: Final = re.compile(r"[^_]+_\d{6}_\d{6}")
#: Names in a sentence.
_SHOWN: Final = 3
_MOST_WORKERS: Final = 4


@dataclass(frozen=True, slots=True)
class SubmissionCheck:
    """What the server would find: `problems` make it refuse an archive, `warnings` do not.

    Both are sentences. `frames` is the number of frames with exactly one prediction.
    """

    frames: int
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def write_submission(
    predictor: "Predictor",
    data: Path,
    out: Path,
    *,
    progress: ProgressCallback | None = None,
    **options: Any,
) -> SubmissionCheck:
    """Predict the test frames of `data`, write the zip `out`, and check it.

    `options` are those of `Predictor.predict`. `progress` is called with (done, all) frames. Raises
    DatasetError or ImageError if there are no test frames or one cannot be read, CitysegError if
    one cannot be predicted or `out` cannot be written: `out` is then as it was.
    """
    frames = submission_frames(data)
    if missing := [frame.name for frame in frames if not frame.image]:
        raise DatasetError(f"Frames of {data} have no image: {_some(missing)}; add the images")
    check_output_file(out)
    sizes = {frame.stem: _picture_hw(frame) for frame in frames}
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with replacing(out) as file:
            _write(predictor, frames, file, progress, options)
    except OSError as error:
        raise CitysegError(
            f"{out} cannot be written ({error.strerror}): check permissions and free space"
        ) from error
    return check_submission(out, sizes)


def submission_frames(data: Path) -> list[Frame]:
    """The test frames of `data`; raises DatasetError if there are none or two of one name."""
    frames = find_frames(data, [SPLIT])
    if not frames:
        raise DatasetError(f"{data} has no frames in the split {SPLIT}: name a dataset with some")
    stems = [frame.stem for frame in frames]
    if twice := sorted({stem for stem in stems if stems.count(stem) > 1}):
        raise DatasetError(
            f"Test frames of {data} have one name: {_some(twice)}; the server tells frames apart "
            "by their names only"
        )
    return frames


def expected_sizes(data: Path) -> dict[str, tuple[int, int]]:
    """(height, width) of the picture of each test frame of `data`, by stem.

    Raises DatasetError as `submission_frames` does, or if a picture cannot be read.
    """
    return {frame.stem: _picture_hw(frame) for frame in submission_frames(data)}


def _picture_hw(frame: Frame) -> tuple[int, int]:
    """Read from the header: an image that is broken is known before hours of prediction."""
    if not frame.image:
        raise DatasetError(f"The frame {frame.name} has no image: add it")
    try:
        with Image.open(frame.image) as picture:
            return picture.height, picture.width
    except (OSError, Image.DecompressionBombError) as error:
        raise DatasetError(f"{frame.image} cannot be read ({error}): replace the file") from error


def _write(
    predictor: "Predictor",
    frames: Sequence[Frame],
    file: BinaryIO,
    progress: ProgressCallback | None,
    options: Mapping[str, Any],
) -> None:
    from cityseg.prediction import encode_prediction  # loads torch

    paths = [frame.image for frame in frames if frame.image]
    workers = min(available_cores(), _MOST_WORKERS)
    # A PNG is deflated already.
    with (
        zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive,
        closing(map_in_threads(_read_frame, paths, workers)) as pictures,
    ):
        for done, (frame, path, image) in enumerate(zip(frames, paths, pictures, strict=True), 1):
            aspect = picture_pixel_aspect(path, image)
            prediction = predictor.predict(image, pixel_aspect=aspect, **options)
            content = encode_prediction("labelids", image, prediction.train_ids)
            archive.writestr(f"{frame.stem}{_SUFFIX}", content)
            if progress:
                progress(done, len(frames))


def _read_frame(path: Path) -> Uint8Array:
    try:
        return decode_frame(read_regular_file(path), path)
    except OSError as error:
        raise ImageError(f"{path} cannot be read ({error.strerror}): check the file") from error


def check_submission(
    path: Path,
    sizes: Mapping[str, tuple[int, int]] | None = None,
    progress: ProgressCallback | None = None,
) -> SubmissionCheck:
    """Check a zip as the server does: names, number, sizes and values of its predictions.

    `sizes` is (height, width) by the stem of each expected frame, as of `expected_sizes`. Without
    it, the number and size of the official test frames are expected, and any names. `progress` is
    called with (done, all) PNGs. Raises ScoreError if `path` is no zip that can be read.
    """
    try:
        check_regular(path)
        with zipfile.ZipFile(path) as archive:
            files = [
                each
                for each in archive.infolist()
                if each.filename.lower().endswith(".png") and not is_metadata(each.filename)
            ]
            odd = [each.filename for each in files if not each.filename.endswith(".png")]
            by_stem, strangers = _by_stem(files, sizes)
            problems = list(_name_problems(by_stem, strangers, sizes))
            if odd:
                problems.append(f"The server looks for names that end in .png, not {_some(odd)}.")
            values = np.zeros(256, np.int64)
            for done, (stem, members) in enumerate(by_stem.items(), 1):
                expected = sizes[stem] if sizes else OFFICIAL_HW
                for member in members:
                    problem, pixels = _read(archive, member, expected)
                    if problem:
                        problems.append(f"{member.filename} {problem}.")
                    elif pixels is not None:
                        values += np.bincount(pixels.ravel(), minlength=256)
                if progress:
                    progress(done, len(by_stem))
    except OSError as error:
        raise ScoreError(_unreadable(path, error)) from error
    except DAMAGE as error:
        raise ScoreError(f"{path} cannot be read as a zip ({error}): zip the PNGs again") from error
    problems += _value_problems(values)
    single = sum(len(members) == 1 for members in by_stem.values())
    return SubmissionCheck(single, problems, list(_warnings(len(by_stem), sizes)))


def _unreadable(path: Path, error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return f"There is no archive {path}: check the path"
    if isinstance(error, IsADirectoryError):
        return f"{path} is a folder, and the server takes a zip: zip its PNG files"
    return f"{path} cannot be read ({error.strerror}): check the file and its permissions"


def _by_stem(
    files: Sequence[zipfile.ZipInfo], sizes: Mapping[str, tuple[int, int]] | None
) -> tuple[dict[str, list[zipfile.ZipInfo]], list[str]]:
    """The PNGs of each frame, and the names of those that belong to none."""
    found: dict[str, list[zipfile.ZipInfo]] = {stem: [] for stem in sizes or ()}
    strangers = []
    for file in files:
        name = PurePosixPath(file.filename).name
        if sizes is None:
            official = _OFFICIAL.match(name)
            found.setdefault(official[0] if official else name, []).append(file)
        elif (stem := _stem_of(name, found)) is not None:
            found[stem].append(file)
        else:
            strangers.append(file.filename)
    return found, strangers


def _stem_of(name: str, stems: Collection[str]) -> str | None:
    """The longest of `stems` that `name` begins with; the server looks for `stem*.png`."""
    return next((name[:end] for end in range(len(name), 0, -1) if name[:end] in stems), None)


def _name_problems(
    by_stem: Mapping[str, Sequence[zipfile.ZipInfo]],
    strangers: Sequence[str],
    sizes: Mapping[str, tuple[int, int]] | None,
) -> Iterator[str]:
    if missing := [f"{stem}*.png" for stem, members in by_stem.items() if not members]:
        count = f"{len(missing)} of {len(by_stem)} frames"
        yield f"Predictions of {count} are missing: {_some(missing)}."
    if twice := [f"{stem}*.png" for stem, members in by_stem.items() if len(members) > 1]:
        yield f"Frames with several predictions: {_some(twice)}."
    if strangers:
        yield f"PNG files that belong to no test frame: {_some(strangers)}."
    if sizes is None and len(by_stem) != OFFICIAL_FRAMES:
        yield (
            f"There are predictions of {len(by_stem)} frames, and the test split has "
            f"{OFFICIAL_FRAMES}."
        )


def _read(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, expected_hw: tuple[int, int]
) -> tuple[str, Uint8Array | None]:
    """What is wrong with a PNG, or "" and its (H, W) uint8 values."""
    if member.file_size > _MOST_BYTES:
        return f"has {member.file_size:,} bytes, which no prediction has", None
    try:
        with Image.open(io.BytesIO(archive.read(member)), formats=["PNG"]) as picture:
            if picture.mode not in ("L", "P"):
                return f"is no 8-bit PNG of one channel, but {picture.mode}", None
            if (found := (picture.height, picture.width)) != expected_hw:
                return "has {1}×{0} pixels, and its picture {3}×{2}".format(
                    *found, *expected_hw
                ), None
            pixels: Uint8Array = np.asarray(picture)
    except (OSError, SyntaxError, *DAMAGE, Image.DecompressionBombError) as error:
        return f"cannot be read ({error})", None
    return "", pixels


def _value_problems(counts: np.ndarray) -> Iterator[str]:
    """Of (256,) numbers of pixels with each value."""
    values = np.flatnonzero(counts)
    if unknown := [int(value) for value in values if value >= NUM_LABEL_IDS]:
        yield f"Values {', '.join(map(str, unknown))} are no label ids, which are 0–33."
    # No value above 18: no sky and no car. Of label ids, 0–6 are void; of train ids, mostly road.
    are_low = values.size and values[values < IGNORE].max(initial=0) < NUM_CLASSES
    if are_low and counts[:7].sum() > counts[LABEL_IDS_OF_CLASSES].sum():
        yield (
            "The values look like train ids, and the server takes label ids, in which road is 7 "
            "and 0 is unlabeled."
        )


def _warnings(frames: int, sizes: Mapping[str, tuple[int, int]] | None) -> Iterator[str]:
    if sizes is None:
        yield (
            "The names of frames are not checked, as the dataset has no test split: name one with "
            "--data."
        )
    elif frames != OFFICIAL_FRAMES:
        yield (
            f"The dataset has {counted(frames, 'test frame')}, and the server expects "
            f"{OFFICIAL_FRAMES}: it takes those of Cityscapes only."
        )


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
