"""Write a network in a form that other programs or people take.

--to onnx: one ONNX file, from the uint8 pixels of a picture to the class of each
of them (train ids) and the confidence in it. docs/onnx.md shows how to run it
without cityseg.
--to state_dict: the tensors alone (safetensors), by the names that
segmentation-models-pytorch gives them, with the order of the classes in the
metadata. docs/interchange.md shows how to load them.
--to submission: the zip that the evaluation server of Cityscapes takes, with a
PNG of label ids for each frame of the test split of DATA, checked as the server
checks it.
--to card: a page about the network, as Markdown or HTML: its data, the command
that trains it again, curves, scores, limits, licence and environment; with
intervals, calibration and the worst frames where there is evidence.

Examples:
  %(prog)s box --to onnx --out street.onnx
  %(prog)s RUN --to card --out card.html
"""

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from cityseg.cli import EXIT_ALL
from cityseg.cli.options import (
    NETWORK_HELP,
    add_averaging,
    add_device,
    add_pixel_aspect,
    beside_network,
    dataset_of,
    network,
    size_hw,
)
from cityseg.cli.output import progress_bar, report_stage, report_submission
from cityseg.cli.parser import Parser
from cityseg.defaults import DATASET_VARIABLE
from cityseg.errors import CitysegError
from cityseg.wording import readable_size


def add_arguments(parser: Parser) -> None:
    """Say what the command takes."""
    add = parser.add_argument
    add("network", type=network, metavar="NETWORK", help=NETWORK_HELP)
    add("--to", required=True, choices=_FORMS, help="The form to write.")
    add(
        "--out",
        type=Path,
        metavar="FILE",
        help="File to write [beside the network]; a card as .md or .html.",
    )
    add(
        "--size",
        type=size_hw,
        metavar="HxW",
        help="Height x width to predict at [the size of training].",
    )
    submission = parser.add_argument_group("with --to submission")
    submission.add_argument(
        "--data",
        type=Path,
        metavar="DATA",
        help=f"Cityscapes folder [the network's own, ${DATASET_VARIABLE} or ./data].",
    )
    add_device(submission)
    add_averaging(submission)
    onnx = parser.add_argument_group("with --to onnx")
    onnx.add_argument(
        "--picture",
        type=size_hw,
        metavar="HxW",
        help="Height x width of the pictures, if the file is to take no others [any].",
    )
    add_pixel_aspect(onnx, "1")
    card = parser.add_argument_group("with --to card")
    card.add_argument(
        "--pictures",
        action="store_true",
        help="Add frames of the dataset with their predictions, if the run has kept some: check "
        "that you may pass them on. Without this, the only picture is of the sample city.",
    )
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Carry out the command; returns the exit status."""
    _refuse_others(options)
    report_stage("Exporting")
    return _FORMS[options.to](options)


def _refuse_others(options: argparse.Namespace) -> None:
    """Raise CitysegError for an option that the chosen form does not have."""
    for name in dict.fromkeys(name for names in _OPTIONS.values() for name in names):
        is_given = getattr(options, name) not in (None, False, "auto")
        if is_given and name not in _OPTIONS[options.to]:
            forms = " or ".join(form for form, names in _OPTIONS.items() if name in names)
            flag = f"--{name.replace('_', '-')}"
            raise CitysegError(
                f"{flag} goes with --to {forms}, and not with {options.to}: leave it out"
            )


def _to_onnx(options: argparse.Namespace) -> int:
    from cityseg.export import onnx_file
    from cityseg.system import check_output_file

    out = _output(options, "network.onnx")
    check_output_file(out)
    onnx_file.export_onnx(
        options.network,
        out,
        size_hw=options.size,
        picture_hw=options.picture,
        pixel_aspect=options.pixel_aspect or 1.0,
    )
    print(f"{out}: {readable_size(out.stat().st_size)}, opset {onnx_file.OPSET}.")
    return EXIT_ALL


def _to_state_dict(options: argparse.Namespace) -> int:
    from cityseg.runs import state_dicts
    from cityseg.system import check_output_file

    out = _output(options, "state_dict.safetensors")
    if out.suffix.lower() != ".safetensors":
        raise CitysegError(
            f"A state dict is written as safetensors: name {out.with_suffix('.safetensors')}"
        )
    check_output_file(out)
    checkpoint = state_dicts.load_network(options.network)
    state_dicts.save_state_dict(checkpoint, out)
    print(f"{out}: {readable_size(out.stat().st_size)}, model {checkpoint.config.model}.")
    return EXIT_ALL


def _to_submission(options: argparse.Namespace) -> int:
    from cityseg.export import write_submission
    from cityseg.prediction import Predictor

    out = _output(options, "submission.zip")
    data = options.data or dataset_of(options.network)
    predictor = Predictor.load(options.network, options.device)
    with progress_bar("Predicting", unit="frame") as progress:
        check = write_submission(
            predictor,
            data,
            out,
            progress=progress,
            sliding=options.sliding,
            flip=options.flip,
            size_hw=options.size,
        )
    return report_submission(out, check)


def _to_card(options: argparse.Namespace) -> int:
    from cityseg.export.card import write_card
    from cityseg.runs.networks import check_ours

    if options.network.is_file():
        check_ours(options.network)
    out = _output(options, "card.md")
    evidence = beside_network(options.network, "evidence")
    write_card(options.network, out, evidence, with_frames=options.pictures)
    print(f"{out}: {readable_size(out.stat().st_size)}.")
    return EXIT_ALL


def _output(options: argparse.Namespace, name: str) -> Path:
    """The file to write, by default `name` beside the network, which must exist and stays."""
    from cityseg.runs import find_weights

    if not options.network.exists():
        raise CitysegError(
            f"There is no network {options.network}: name a run's folder or a weights file"
        )
    out: Path = options.out or beside_network(options.network, name)
    if out.exists() and out.samefile(find_weights(options.network)):
        raise CitysegError(f"{out} is the network itself: choose another name for the result")
    return out


#: The options of each form, beside those of all.
_OPTIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "onnx": ("size", "picture", "pixel_aspect"),
    "state_dict": (),
    "submission": ("size", "data", "device", "sliding", "flip"),
    "card": ("pictures",),
}
_FORMS: Final[Mapping[str, Callable[[argparse.Namespace], int]]] = {
    "onnx": _to_onnx,
    "state_dict": _to_state_dict,
    "submission": _to_submission,
    "card": _to_card,
}
