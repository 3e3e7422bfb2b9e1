"""Predict pictures: train ids, label ids, colours and overlays; or a video.

With --shard, --merge only checks that the prediction of each picture is there.

Examples: %(prog)s street.jpg holiday/ --network RUNS/20260101-120000-unet-0123abcd
          %(prog)s drive.mov --video predicted.mp4
"""

import argparse
import logging
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cityseg.cli import EXIT_ALL, EXIT_NOTHING, EXIT_SOME
from cityseg.cli.options import (
    NETWORK_HELP,
    add_foreign,
    add_pixel_aspect,
    add_prediction,
    add_shards,
    chosen_network,
    network,
)
from cityseg.cli.output import progress_bar, status_of
from cityseg.cli.parser import Parser, filled
from cityseg.cli.video import add_video, check_video_options, predict_to_video
from cityseg.errors import CheckpointError, CitysegError
from cityseg.wording import counted

if TYPE_CHECKING:
    from cityseg.prediction import OnnxPredictor, PicturePredictor, PredictionReport

logger = logging.getLogger(__name__)

_STANDARD_INPUT: Final = "-"
_ONNX: Final = ".onnx"
_PROGRESS: Final = ("Predicting", "picture")
#: Endings of files that are networks, not pictures.
_WEIGHTS: Final = (".safetensors", ".pt", ".pth", _ONNX)


def add_arguments(parser: Parser) -> None:
    """Say what the command takes."""
    add = parser.add_argument
    add(
        "images",
        nargs="+",
        type=filled,
        metavar="IMAGE",
        help="Pictures of any kind and size: files, folders, patterns in quotes such as "
        "'street/*.jpg', or - for standard input. The older form, with NETWORK as the first "
        "argument, is read as well: a picture or folder called box is written ./box.",
    )
    add("--network", metavar="NETWORK", type=network, help=NETWORK_HELP)
    add("--recursive", action="store_true", help="Read the folders in a folder, too.")
    add(
        "--out",
        type=Path,
        metavar="DIR",
        help="Folder for the predictions [./predictions].",
    )
    add_prediction(parser)
    add_foreign(parser)
    add_pixel_aspect(parser, "what an official name proves, else 1")
    add(
        "--backend",
        choices=("torch", "onnx"),
        help="What runs the network: PyTorch, or ONNX Runtime, which NETWORK is exported for "
        "unless it is an ONNX file [torch, for an ONNX file onnx].",
    )
    add_shards(parser)
    add_video(parser)
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Carry out the command; returns the exit status."""
    from cityseg.data import describe_left_out, find_pictures

    check_video_options(options)
    network, names = _network_and_names(options)
    _refuse_networks(names)
    chosen_network(options, network)  # before pictures are read: options may contradict each other
    if options.video:
        return predict_to_video(network, names, options, partial(_predictor, network, options))
    options.out = options.out or Path("predictions")
    is_shared = bool(options.shard or options.merge)
    with _standard_input_as_file(names, shards=is_shared) as files:
        results = _result_folders(options)
        found = find_pictures(files, recursive=options.recursive, without=results)
        if options.shard:  # each of them would say the same
            found.problems.clear()
            found.left_out.clear()
        for problem in found.problems:
            logger.warning("Skipped: %s", problem.detail)
        for folder, left_out in found.left_out.items():
            if left_out:
                logger.info("Left out in %s: %s.", folder, describe_left_out(left_out))
        if not found.paths:
            return EXIT_NOTHING
        report = _predict(network, found.paths, options)
    written, skipped = len(report.written), len(report.skipped) + len(found.problems)
    print(f"{options.out}: {counted(written, 'picture')} predicted, {skipped} skipped.")
    if options.shard:  # which has done its work, whatever it skipped
        return EXIT_SOME if skipped else EXIT_ALL
    return status_of(written, skipped)


def _result_folders(options: argparse.Namespace) -> list[Path]:
    """The folders that results are written to: also those in a folder that is read itself."""
    if not options.recursive:
        return [options.out]
    from cityseg.prediction import output_folders  # loads torch

    return [options.out, *output_folders(options.out)]


def _network_and_names(options: argparse.Namespace) -> tuple[Path, list[str]]:
    """The network and the names of pictures; the network may be the first of them.

    Without one, that in the box.
    """
    from cityseg.runs import BOX, BOX_LICENCE, BOX_TITLE, box_weights

    names: list[str] = options.images
    if options.network is not None:
        return options.network, names
    first = Path(names[0])
    if names[0] == BOX:  # as everywhere, a path of that name is written ./box
        first = box_weights()
    elif not (first.suffix.lower() in _WEIGHTS or (first / "config.json").exists()):
        try:
            box = box_weights()
        except CheckpointError:
            raise CitysegError(
                "No network is named, and none ships with this version of cityseg: add --network "
                "with a run's folder or weights file"
            ) from None
        print(f"Network: {BOX_TITLE}, {BOX_LICENCE}.")
        return box, names
    if not names[1:]:
        of_that_name = f", or ./{BOX} for a path of that name" if names[0] == BOX else ""
        raise CitysegError(
            f"{names[0]} is a network: name pictures, too, for example street.jpg{of_that_name}"
        )
    return first, names[1:]


def _refuse_networks(names: list[str]) -> None:
    """Raise CitysegError if a network is among the names of pictures."""
    for name in names:
        if Path(name).suffix.lower() in _WEIGHTS and not Path(name).is_dir():
            raise CitysegError(
                f"{name} is a network, and stands where pictures are named: write --network {name}"
            )


@contextmanager
def _standard_input_as_file(names: list[str], *, shards: bool) -> Iterator[list[str]]:
    """Replace `-` in `names` by a file with the bytes of standard input."""
    if _STANDARD_INPUT not in names:
        yield names
        return
    if shards:
        raise CitysegError("Shards share files, and standard input is none: name files or folders")
    if sys.stdin.isatty():
        raise CitysegError("There is no picture on standard input: use - behind a pipe")
    with tempfile.TemporaryDirectory() as folder:
        from cityseg.data import MAX_BYTES

        file = Path(folder, "standard-input")
        # One byte more than `read_image` takes, so that it says that the picture is too large.
        file.write_bytes(sys.stdin.buffer.read(MAX_BYTES + 1))
        yield [str(file) if name == _STANDARD_INPUT else name for name in names]


def _predict(network: Path, images: list[Path], options: argparse.Namespace) -> "PredictionReport":
    """Predict the pictures, or those of a shard, or check what all shards have predicted."""
    from cityseg.prediction import (
        check_outputs,
        merge_predictions,
        predict_all,
        predict_shard,
    )

    check_outputs(options.out)  # before a network is loaded or exported
    identity = _identity(network, options) if options.shard or options.merge else {}
    if options.merge:
        report = merge_predictions(images, options.out, identity)
        for skipped in report.skipped.values():
            logger.warning("Skipped: %s", skipped.detail)
        return report
    predict = partial(predict_shard, shard=options.shard, identity=identity)
    with _predictor(network, options) as predictor, progress_bar(*_PROGRESS) as progress:
        return (predict if options.shard else predict_all)(
            predictor,
            images,
            options.out,
            sliding=options.sliding,
            flip=options.flip,
            size_hw=options.size,
            pixel_aspect=options.pixel_aspect,
            progress=progress,
        )


def _identity(network: Path, options: argparse.Namespace) -> dict[str, Any]:
    """What predictions depend on: the shards of others are not merged."""
    from cityseg.runs import find_weights
    from cityseg.system import file_digest

    names = ("model", "classes", "mean", "std", "sliding", "flip", "size", "pixel_aspect")
    return {
        "weights": file_digest(find_weights(network)),
        "onnx": _runs_onnx(network, options),
        **{name: getattr(options, name) for name in names},
    }


@contextmanager
def _predictor(network: Path, options: argparse.Namespace) -> "Iterator[PicturePredictor]":
    """The network, ready to predict as `options` say; for ONNX, their size stands in the file."""
    from cityseg.prediction import Predictor

    if _runs_onnx(network, options):
        with _as_onnx(network, options) as predictor:
            options.size = None
            yield predictor
    else:
        yield Predictor.load(chosen_network(options, network), options.device)


def _runs_onnx(network: Path, options: argparse.Namespace) -> bool:
    """Whether ONNX Runtime runs the network; raises CitysegError for what it cannot do."""
    is_onnx = network.suffix.lower() == _ONNX
    if options.backend == "onnx" or (is_onnx and not options.backend):
        _check_onnx_options(options, is_onnx)
        return True
    if is_onnx:
        raise CitysegError(f"{network} is an ONNX file: leave --backend out, or name other weights")
    return False


def _check_onnx_options(options: argparse.Namespace, is_onnx: bool) -> None:
    """Refuse what a graph cannot do, before pictures are read."""
    if options.model:
        raise CitysegError(
            "State dicts are predicted with PyTorch: leave --backend out, or --model"
        )
    if options.sliding or options.flip:
        raise CitysegError(
            "ONNX files have no sliding windows and no mirrored pictures: leave --sliding and "
            "--flip out, or choose --backend torch"
        )
    if is_onnx and options.size:
        raise CitysegError(
            "The size to predict at stands in the ONNX file: leave --size out, or export the "
            "network with it"
        )


@contextmanager
def _as_onnx(network: Path, options: argparse.Namespace) -> "Iterator[OnnxPredictor]":
    """The network of an ONNX file, or another one, exported for the time it is used."""
    from cityseg.prediction import OnnxPredictor

    if network.suffix.lower() == _ONNX:
        yield OnnxPredictor(network, options.device)
        return
    from cityseg.export import onnx_file

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, f"network{_ONNX}")
        logger.info("Exporting the network to ONNX for this call …")
        aspect = options.pixel_aspect or 1.0
        onnx_file.export_onnx(network, file, size_hw=options.size, pixel_aspect=aspect)
        yield OnnxPredictor(file, options.device)
