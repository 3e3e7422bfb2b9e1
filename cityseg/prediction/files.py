"""Picture files in, predictions as PNG files out."""

import logging
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, NamedTuple, get_args

import cv2
import numpy as np

from cityseg.arrays import Uint8Array, as_uint8
from cityseg.data import png, read_image
from cityseg.errors import CitysegError, ImageError
from cityseg.labels import LABEL_ID_OF_TRAIN_ID, TRAIN_ID_PALETTE
from cityseg.prediction.predictor import Prediction, Predictor
from cityseg.system import ProgressCallback, available_cores, map_in_threads, replacing

__all__ = [
    "KINDS",
    "Kind",
    "Prediction",
    "PredictionReport",
    "Predictor",
    "encode_prediction",
    "output_paths",
    "plan_names",
    "predict_all",
    "predict_files",
    "write_prediction",
]

logger = logging.getLogger(__name__)

Kind = Literal["trainids", "labelids", "color", "overlay"]
#: The folders that `write_prediction` fills: each can be scored, uploaded or looked at as it is.
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
_OPACITY: Final = 0.5
#: Of the 255 that a file's name may have: temporary names need the rest.
_NAME_BYTES: Final = 200
#: Each holds a few pictures in memory.
_MOST_WORKERS: Final = 4


@dataclass(frozen=True, slots=True)
class PredictionReport:
    """By picture, in the order given: the files that were written, or why there are none."""

    written: dict[Path, list[Path]] = field(default_factory=dict)
    failed: dict[Path, str] = field(default_factory=dict)


def predict_files(
    run_or_checkpoint: Path,
    images: Sequence[Path],
    out: Path,
    *,
    sliding: bool = False,
    flip: bool = False,
    device: str = "auto",
    progress: ProgressCallback | None = None,
) -> PredictionReport:
    """Load a checkpoint and `predict_all` with it.

    Raises CheckpointError, or ConfigError if there is no such device.
    """
    predictor = Predictor.load(run_or_checkpoint, device)
    return predict_all(predictor, images, out, sliding=sliding, flip=flip, progress=progress)


def predict_all(
    predictor: Predictor,
    images: Sequence[Path],
    out: Path,
    *,
    sliding: bool = False,
    flip: bool = False,
    progress: ProgressCallback | None = None,
) -> PredictionReport:
    """Predict picture files and write the results to the folder `out`, named by `plan_names`.

    A picture that cannot be read, predicted or written is reported and stops nothing. While one
    is predicted, the next are read and the last are written. Raises CitysegError if the folder
    cannot be made.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CitysegError(
            f"the folder {out} cannot be made ({error.strerror}): name another"
        ) from error
    names, report = plan_names(images, out), PredictionReport()

    def jobs(pictures: Iterable[Uint8Array | str]) -> Iterator["_Job | str"]:
        for done, (path, picture) in enumerate(zip(names, pictures, strict=True), 1):
            try:
                job = picture if isinstance(picture, str) else predict(path, picture)
            except CitysegError as error:
                job = f"{path}: {error}"
            yield job
            if progress:
                progress(done, len(names))

    def predict(path: Path, picture: Uint8Array) -> _Job:
        prediction = predictor.predict(picture, sliding=sliding, flip=flip)
        return _Job(out, names[path], picture, prediction)

    workers = min(available_cores(), _MOST_WORKERS)
    with (
        closing(map_in_threads(_read, names, workers)) as pictures,
        closing(map_in_threads(_write, jobs(pictures), workers)) as outcomes,
    ):
        for path, outcome in zip(names, outcomes, strict=True):
            if isinstance(outcome, str):
                logger.warning("skipped %s", outcome)
                report.failed[path] = outcome
            else:
                report.written[path] = outcome
    return report


class _Job(NamedTuple):
    """What `write_prediction` takes."""

    folder: Path
    name: str
    image: Uint8Array
    prediction: Prediction


def _read(path: Path) -> Uint8Array | str:
    try:
        return read_image(path)
    except ImageError as error:
        return str(error)


def _write(job: _Job | str) -> list[Path] | str:
    if isinstance(job, str):
        return job
    try:
        return write_prediction(*job)
    except OSError as error:
        return f"{job.folder}/{job.name}… cannot be written: {error.strerror}"


def write_prediction(
    folder: Path, name: str, image: Uint8Array, prediction: Prediction
) -> list[Path]:
    """Write what was predicted for `image` as four PNGs, each whole or not at all.

    They are `<kind>/<name>.png` for each of KINDS; see `encode_prediction`. Raises OSError.
    """
    paths = output_paths(folder, name)
    for path, kind in zip(paths, KINDS, strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path, durable=False) as file:
            file.write(encode_prediction(kind, image, prediction.train_ids))
    return paths


def encode_prediction(kind: Kind, image: Uint8Array, train_ids: Uint8Array) -> bytes:
    """(H, W) uint8 train ids 0–18, predicted for (H, W, 3) uint8 RGB, as a PNG file.

    `trainids` and `labelids` are 8-bit grey (the evaluation server takes the latter), `color` has
    the official colours, and `overlay` those colours over the picture.
    """
    if kind == "trainids":
        return png.encode_grey(train_ids)
    if kind == "labelids":
        return png.encode_grey(as_uint8(cv2.LUT(train_ids, LABEL_ID_OF_TRAIN_ID)))
    if kind == "color":
        return png.encode_palette(train_ids, TRAIN_ID_PALETTE)
    colors = cv2.applyColorMap(train_ids, np.ascontiguousarray(TRAIN_ID_PALETTE[:, None]))
    return png.encode_rgb(as_uint8(cv2.addWeighted(image, 1 - _OPACITY, colors, _OPACITY, 0)))


def output_paths(folder: Path, name: str) -> list[Path]:
    """Name the four files of `write_prediction`: never outside `folder`, whatever `name` is."""
    return [folder / kind / f"{_plain(name)}.png" for kind in KINDS]


def plan_names(images: Sequence[Path], out: Path) -> dict[Path, str]:
    """For each picture the name that its files get in `out`: its own, without the ending.

    It gets a number where its files would replace others of this list, or one of `images`.
    """
    taken = {path for image in images for path in (Path(os.path.realpath(image)), _entry(image))}
    names: dict[Path, str] = {}
    uses: Counter[str] = Counter()
    for image in dict.fromkeys(images):
        name = _plain(image.stem)
        while not taken.isdisjoint(places := set(map(_entry, output_paths(out, name)))):
            uses[image.stem] += 1
            number = f"-{uses[image.stem] + 1}"
            name = _plain(image.stem, _NAME_BYTES - len(number)) + number
        taken |= places
        names[image] = name
    return names


def _entry(path: Path) -> Path:
    """Where `path` itself lies, whatever it links to."""
    return Path(os.path.realpath(path.parent), path.name)


def _plain(name: str, most_bytes: int = _NAME_BYTES) -> str:
    """Cut and mend `name` so that it can be part of a file's name."""
    plain = name[:most_bytes].replace("/", "_").replace("\0", "_")
    while len(os.fsencode(plain)) > most_bytes:
        plain = plain[:-1]
    return plain
