"""Picture files in, predictions as PNG files out."""

import logging
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, NamedTuple, Protocol, get_args

import cv2
import numpy as np

from cityseg.arrays import Uint8Array, as_uint8
from cityseg.data import picture_pixel_aspect, png, read_image
from cityseg.errors import CitysegError, ImageError, Skipped
from cityseg.labels import LABEL_ID_OF_TRAIN_ID, TRAIN_ID_PALETTE
from cityseg.prediction.predictor import Prediction
from cityseg.system import (
    ProgressCallback,
    available_cores,
    check_output_folder,
    map_in_threads,
    replacing,
)

logger = logging.getLogger(__name__)

#: What a PNG of a prediction holds; see `encode_prediction`.
OutputKind = Literal["trainids", "labelids", "color", "overlay"]
#: The folders that `write_prediction` fills: each can be scored, uploaded or looked at as it is.
OUTPUT_KINDS: Final[tuple[OutputKind, ...]] = get_args(OutputKind)
_OPACITY: Final = 0.5
#: Of the 255 bytes that the name of a file may have; temporary names need the rest.
_NAME_BYTES: Final = 200
#: Each worker holds a few pictures in memory.
_MOST_WORKERS: Final = 4


class PicturePredictor(Protocol):
    """A network on pictures, whatever runs it: `Predictor` or `OnnxPredictor`."""

    def predict(
        self,
        image: Uint8Array,
        *,
        sliding: bool = False,
        flip: bool = False,
        with_confidence: bool = False,
        size_hw: tuple[int, int] | None = None,
        pixel_aspect: float = 1.0,
    ) -> Prediction:
        """Classify (H, W, 3) uint8 RGB; the options and errors are those of `Predictor.predict`."""


@dataclass(frozen=True, slots=True)
class PredictionReport:
    """By picture, in the order given: the files that were written, or why it was skipped."""

    written: dict[Path, list[Path]] = field(default_factory=dict)
    skipped: dict[Path, Skipped] = field(default_factory=dict)


def predict_all(
    predictor: PicturePredictor,
    images: Sequence[Path],
    out: Path,
    *,
    sliding: bool = False,
    flip: bool = False,
    size_hw: tuple[int, int] | None = None,
    pixel_aspect: float | None = None,
    progress: ProgressCallback | None = None,
) -> PredictionReport:
    """Predict picture files and write the results to the folder `out`, named by `plan_names`.

    A picture that cannot be read, predicted or written is reported, and the others continue. While
    one is predicted, threads read the next and write the last. `progress` is called with
    (done, all) pictures. `check_outputs` says before the work whether `out` can be written to.
    """
    names, report = plan_names(images, out), PredictionReport()
    missing = [folder for folder in (out, *output_folders(out)) if not folder.exists()]
    results = predicted_files(
        predictor,
        names,
        out,
        sliding=sliding,
        flip=flip,
        size_hw=size_hw,
        pixel_aspect=pixel_aspect,
        progress=progress,
    )
    for path, result in zip(names, results, strict=True):
        if isinstance(result, Skipped):
            report.skipped[path] = result
        else:
            report.written[path] = result
    if not report.written:  # a folder for a file that could not be written stays behind
        for folder in reversed(missing):
            with suppress(OSError):
                folder.rmdir()
    return report


def predicted_files(
    predictor: PicturePredictor,
    names: Mapping[Path, str],
    out: Path,
    *,
    sliding: bool = False,
    flip: bool = False,
    size_hw: tuple[int, int] | None = None,
    pixel_aspect: float | None = None,
    progress: ProgressCallback | None = None,
) -> Iterator[list[Path] | Skipped]:
    """Predict pictures, and write the results to the folder `out` under these names.

    Yields for each picture the files that were written, or why it was skipped, which is logged.
    """

    def predict(path: Path, picture: Uint8Array | Skipped) -> _Job | Skipped:
        if isinstance(picture, Skipped):
            return picture
        try:
            aspect = pixel_aspect or picture_pixel_aspect(path, picture)
            prediction = predictor.predict(
                picture, sliding=sliding, flip=flip, size_hw=size_hw, pixel_aspect=aspect
            )
        except CitysegError as error:
            return Skipped(Skipped.of(error).reason, f"Cannot predict {path}: {error}")
        return _Job(out, names[path], picture, prediction)

    def jobs(pictures: Iterable[Uint8Array | Skipped]) -> Iterator[_Job | Skipped]:
        for done, (path, picture) in enumerate(zip(names, pictures, strict=True), 1):
            yield predict(path, picture)
            if progress:
                progress(done, len(names))

    workers = min(available_cores(), _MOST_WORKERS)
    with (
        closing(map_in_threads(_read, names, workers)) as pictures,
        closing(map_in_threads(_write, jobs(pictures), workers)) as results,
    ):
        for result in results:
            if isinstance(result, Skipped):
                logger.warning("Skipped: %s", result.detail)
            yield result


def check_outputs(out: Path) -> None:
    """Raise CitysegError if the folder `out`, or one of those in it, cannot be written to."""
    for folder in (out, *output_folders(out)):
        check_output_folder(folder)


def output_folders(out: Path) -> list[Path]:
    """The folders in `out` that hold the results, one for each of OUTPUT_KINDS."""
    return [out / kind for kind in OUTPUT_KINDS]


class _Job(NamedTuple):
    """The arguments of `write_prediction`."""

    folder: Path
    name: str
    image: Uint8Array
    prediction: Prediction


def _read(path: Path) -> Uint8Array | Skipped:
    try:
        return read_image(path)
    except ImageError as error:
        return Skipped.of(error)


def _write(job: _Job | Skipped) -> list[Path] | Skipped:
    if isinstance(job, Skipped):
        return job
    try:
        return write_prediction(*job)
    except OSError as error:
        return Skipped(
            "unwritable",
            f"Cannot write the prediction for {job.name} to {job.folder} ({error.strerror}): check "
            "permissions and free space",
        )


def write_prediction(
    folder: Path, name: str, image: Uint8Array, prediction: Prediction
) -> list[Path]:
    """Write the prediction for (H, W, 3) uint8 `image` as four PNGs, each whole or not at all.

    They are `<kind>/<name>.png` for each of OUTPUT_KINDS; see `encode_prediction`. Raises OSError.
    """
    paths = output_paths(folder, name)
    for path, kind in zip(paths, OUTPUT_KINDS, strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path, durable=False) as file:
            file.write(encode_prediction(kind, image, prediction.train_ids))
    return paths


def encode_prediction(kind: OutputKind, image: Uint8Array, train_ids: Uint8Array) -> bytes:
    """(H, W) uint8 train ids 0–18 or 255, predicted for (H, W, 3) uint8 RGB, as the bytes of a PNG.

    `trainids` and `labelids` are 8-bit grey (the evaluation server takes the latter), `color` is a
    palette PNG of train ids with the official colours, `overlay` those colours over the picture.
    """
    if kind == "trainids":
        return png.encode_grey(train_ids)
    if kind == "labelids":
        return png.encode_grey(as_uint8(cv2.LUT(train_ids, LABEL_ID_OF_TRAIN_ID)))
    if kind == "color":
        return png.encode_palette(train_ids, TRAIN_ID_PALETTE)
    return png.encode_rgb(overlay(image, train_ids))


def overlay(image: Uint8Array, train_ids: Uint8Array) -> Uint8Array:
    """The official colours of (H, W) uint8 train ids over (H, W, 3) uint8 RGB."""
    return as_uint8(cv2.addWeighted(image, 1 - _OPACITY, colors(train_ids), _OPACITY, 0))


def colors(train_ids: Uint8Array) -> Uint8Array:
    """The official colours of (H, W) uint8 train ids, (H, W, 3) uint8 RGB."""
    return as_uint8(cv2.applyColorMap(train_ids, np.ascontiguousarray(TRAIN_ID_PALETTE[:, None])))


def output_paths(folder: Path, name: str) -> list[Path]:
    """The four files of `write_prediction`: never outside `folder`, whatever `name` is."""
    return [folder / kind / f"{_file_name(name)}.png" for kind in OUTPUT_KINDS]


def plan_names(images: Sequence[Path], out: Path) -> dict[Path, str]:
    """For each picture, the name of its files in `out`: its own, without the ending.

    A number is added where its files would replace those of another picture in the list, or one of
    `images` itself, which may lie in `out` or be reached through links.
    """
    taken = {path for image in images for path in (Path(os.path.realpath(image)), _entry(image))}
    names: dict[Path, str] = {}
    uses: Counter[str] = Counter()
    for image in dict.fromkeys(images):
        name = _file_name(image.stem)
        while not taken.isdisjoint(places := set(map(_entry, output_paths(out, name)))):
            uses[image.stem] += 1
            number = f"-{uses[image.stem] + 1}"
            name = _file_name(image.stem, _NAME_BYTES - len(number)) + number
        taken |= places
        names[image] = name
    return names


def _entry(path: Path) -> Path:
    """The directory entry at `path`, not what it may link to: writing replaces the entry."""
    return Path(os.path.realpath(path.parent), path.name)


def _file_name(name: str, most_bytes: int = _NAME_BYTES) -> str:
    """`name` without what the name of a file cannot have, cut to `most_bytes`."""
    allowed = name[:most_bytes].replace("/", "_").replace("\0", "_")
    while len(os.fsencode(allowed)) > most_bytes:  # by characters: half of one is no UTF-8
        allowed = allowed[:-1]
    return allowed
