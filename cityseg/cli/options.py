"""Options that several commands take, and the types of their values."""

import argparse
import logging
from collections.abc import Callable
from contextlib import suppress
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cityseg.cli.parser import Parser, filled
from cityseg.defaults import DATASET_VARIABLE, RUNS_VARIABLE, default_root, default_runs
from cityseg.errors import CitysegError

if TYPE_CHECKING:
    from cityseg.data import Shard
    from cityseg.runs import RGB, ForeignNetwork, RunDir


def add_data(parser: Parser, name: str = "--data", **settings: Any) -> None:
    """The Cityscapes folder, as the option `--data` or the argument `data`."""
    parser.add_argument(
        name,
        type=Path,
        default=default_root(),
        metavar="DATA",
        help=f"Cityscapes folder [${DATASET_VARIABLE} or ./data].",
        **settings,
    )


def add_layout(parser: Parser, about: str, default: str, more: str = "") -> None:
    """The option `--layout`; `about` and `default` begin its help, and `more` ends it."""
    from cityseg.data import LAYOUT_VARIABLE, LAYOUTS

    names = ", ".join(layout.name for layout in LAYOUTS)
    parser.add_argument(
        "--layout",
        metavar="NAME",
        type=_layout,
        help=f"{about}: {names} [${LAYOUT_VARIABLE}, {default}].{more}",
    )


def _layout(name: str) -> str:
    """The name of a layout, if there is such a one."""
    from cityseg.data import layout_named
    from cityseg.errors import DatasetError

    try:
        return layout_named(name).name
    except DatasetError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def add_shards(parser: Parser) -> None:
    """A part of the work, for several processes or machines, and the merge of all parts."""
    either = parser.add_mutually_exclusive_group()
    either.add_argument(
        "--shard",
        type=_shard,
        metavar="I/N",
        help="Do part I of N, such as 3/64: other processes, here or on other machines that share "
        "the folders, do the others with the same options. A part that was interrupted continues.",
    )
    either.add_argument(
        "--merge",
        action="store_true",
        help="Put the finished parts together, to the same files as without parts; the other "
        "options are those of the parts.",
    )


def _shard(text: str) -> "Shard":
    from cityseg.data import Shard
    from cityseg.errors import DatasetError

    try:
        return Shard.parse(text)
    except DatasetError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def add_runs(parser: Parser) -> None:
    """The folder of runs."""
    parser.add_argument(
        "--runs",
        type=Path,
        default=default_runs(),
        metavar="RUNS",
        help=f"Folder of training runs [${RUNS_VARIABLE} or ./runs].",
    )


def add_place(parser: argparse.ArgumentParser, default: str, about: str = "Where to train") -> None:
    """The option `--on`, with the help `about`; `default` says what leaving it out means."""
    from cityseg.places import PLACES

    parser.add_argument(
        "--on",
        choices=PLACES,
        metavar="{" + ",".join(PLACES) + "}",
        help=f"{about}: local is this machine, and a cluster needs a section in places.toml "
        f"[{default}].",
    )


#: The value of `--review` without a ledger: that of the dataset.
OWN_LEDGER: Final = ""
#: Ends the help of `--review`.
REVIEW_HELP: Final = (
    " Without LEDGER: that of the dataset, in the folder reviews beside that of the runs."
)


def ledger_of(data: Path, runs: Path) -> str:
    """The ledger of a dataset, for `--review` without a value."""
    from cityseg.review import ledger_file  # loads image libraries

    return str(ledger_file(data, runs))


def add_run(parser: Parser) -> None:
    """A run, for `chosen_run`."""
    parser.add_argument(
        "run", type=Path, metavar="RUN", help="A run's folder, or its id below RUNS."
    )
    add_runs(parser)


def chosen_run(options: argparse.Namespace) -> "RunDir":
    """The run that was named by its folder, or by its id below the folder of runs."""
    return named_run(options.run, options.runs)


def named_run(named: Path, runs: Path) -> "RunDir":
    """The run in the folder `named`, or with that id below the folder `runs`."""
    from cityseg.runs import RunDir

    is_id = len(named.parts) == 1 and not named.exists()
    return RunDir.open(runs / named if is_id else named)


logger = logging.getLogger(__name__)

#: What NETWORK may be.
NETWORK_HELP: Final = (
    "A run's folder, a weights file, or box, the network that ships with cityseg; a path called "
    "box is written ./box."
)


def network(name: str) -> Path:
    """A type for `add_argument`: the path of a network."""
    from cityseg.errors import CheckpointError
    from cityseg.runs import network_path

    try:
        return network_path(filled(name))
    except CheckpointError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def add_network(parser: Parser) -> None:
    """A trained network, for `chosen_network`, and how it predicts."""
    either = parser.add_mutually_exclusive_group(required=True)
    either.add_argument(
        "checkpoint",
        nargs="?",
        action=_StoreGiven,
        type=network,
        metavar="NETWORK",
        help=NETWORK_HELP,
    )
    either.add_argument(
        "--network", dest="checkpoint", type=network, metavar="NETWORK", help="The same."
    )
    add_prediction(parser)
    add_foreign(parser)


class _StoreGiven(argparse.Action):
    """Stores an argument; one that is left out does not undo the option of the same name."""

    def __call__(
        self, parser: object, namespace: argparse.Namespace, values: object, option: object = None
    ) -> None:
        if values is not None:
            setattr(namespace, self.dest, values)


def add_foreign(parser: Parser) -> None:
    """What a state dict of another program does not say, for `chosen_network`."""
    from cityseg.runs import CLASS_ORDERS, FOREIGN_SIZE

    add = parser.add_argument_group(
        "with a state dict as NETWORK (.pt, .pth or .safetensors)",
        "Pictures are predicted at {}x{} unless --size names another size.".format(*FOREIGN_SIZE),
    ).add_argument
    add(
        "--model",
        metavar="NAME",
        help="The model that it has the weights of: ARCHITECTURE:ENCODER of "
        "segmentation-models-pytorch, unet, or one of torchvision such as deeplabv3_resnet50.",
    )
    add(
        "--classes",
        choices=CLASS_ORDERS,
        help="The order of its classes: the 19 train ids, or the 21 classes of Pascal VOC, of "
        "which Cityscapes has six [cityscapes].",
    )
    for name, what in (("--mean", "Mean"), ("--std", "Standard deviation")):
        add(
            name,
            type=rgb,
            metavar="R,G,B",
            help=f"{what} of the pixels, from 0 to 1, that it was trained with [ImageNet's].",
        )


def rgb(text: str) -> "RGB":
    """A type for `add_argument`: a value above 0 and up to 1 for each of red, green and blue."""
    red, green, blue = (float(part) for part in text.split(","))
    if not all(0 < value <= 1 for value in (red, green, blue)):  # false for nan as well
        raise argparse.ArgumentTypeError(f"{text} has a value that is not between 0 and 1")
    return red, green, blue


rgb.__name__ = "R,G,B"  # as argparse calls it in "invalid … value"


def chosen_network(
    options: argparse.Namespace, path: Path | None = None
) -> "Path | ForeignNetwork":
    """The network at `path` [options.checkpoint], with what the options say of a state dict.

    Raises CitysegError if they describe a state dict without naming its model.
    """
    from cityseg.runs import ForeignNetwork, is_box

    path = path or options.checkpoint
    assert path is not None  # noqa: S101
    about = {name: getattr(options, name) for name in ("classes", "mean", "std")}
    given = {name: value for name, value in about.items() if value is not None}
    if options.model and is_box(path):
        raise CitysegError("The network in the box names its model: leave --model out")
    if options.model:
        return ForeignNetwork(path, options.model, **given)
    if given:
        raise CitysegError(
            f"--{next(iter(given))} goes with the state dict of another program: name its model "
            "with --model, or leave it out"
        )
    return path


def add_masks(parser: Parser) -> None:
    """Where a conversion has noted how the annotations are read, if that is elsewhere."""
    parser.add_argument(
        "--masks",
        type=Path,
        metavar="MASKS",
        help="Folder of converted masks, whose encoding and layout are used [DATA/masks].",
    )


def add_network_data(parser: Parser, split_is: str) -> None:
    """The dataset that a network is judged on; `split_is` begins the help of its split.

    `dataset_of` and `on_a_split` have the defaults.
    """
    from cityseg.data import SPLITS

    add = parser.add_argument
    add(
        "--data",
        type=Path,
        metavar="DATA",
        help=f"Cityscapes folder [the network's own, ${DATASET_VARIABLE} or ./data].",
    )
    add("--split", choices=SPLITS, default="val", help=f"{split_is} [val].")
    add_layout(
        parser,
        "How the dataset is laid out, where its folders do not say",
        "that of the last conversion, or what the folders say",
    )


def dataset_of(network: Path) -> Path:
    """The dataset that `network` was trained on, or where that is gone, the usual one."""
    from cityseg.runs import is_box, own_dataset

    own = None if is_box(network) else own_dataset(network)
    if own and own.is_dir():
        return own
    data = default_root()
    if own and data.is_dir():
        logger.warning("%s, on which the network was trained, is gone: %s is used", own, data)
    return data


def beside_network(network: Path, name: str) -> Path:
    """Where results called `name` lie: in the run's folder, that of the box, or at the weights."""
    from cityseg.runs import BoxRun, is_box

    if network.is_dir():
        return network / name
    if is_box(network):  # which belongs to the installed package
        return BoxRun.below(default_runs()).path / name
    return network.with_name(f"{network.stem}-{name}")


def _masks_of(checkpoint: Path, data: Path) -> Path | None:
    """The masks with which a run has learned from `data`, if they lie elsewhere."""
    from cityseg.runs import RunDir

    if not checkpoint.is_dir():
        return None
    with suppress(CitysegError):  # a damaged run is named when its weights are read
        config = RunDir(checkpoint).config()
        if config.data.absolute() == data.absolute():
            return config.masks
    return None


def on_a_split(options: argparse.Namespace, data: Path) -> dict[str, Any]:
    """Arguments of `evaluate` and `plan_evidence`: the frames of `data`, and how to predict them.

    The options are those of `add_network` and `add_network_data`.
    """
    return {
        "split": options.split,
        "masks": _masks_of(options.checkpoint, data),
        "layout": options.layout,
        "device": options.device,
        "sliding": options.sliding,
        "flip": options.flip,
        "size_hw": options.size,
    }


def add_prediction(parser: Parser) -> None:
    """How a network predicts."""
    add_device(parser)
    add_averaging(parser)
    parser.add_argument(
        "--size",
        type=size_hw,
        metavar="HxW",
        help="Height x width to predict at [the size of training].",
    )


def add_device(parser: "argparse._ActionsContainer") -> None:
    """The device of a network."""
    parser.add_argument(
        "--device",
        default="auto",
        metavar="DEVICE",
        help="Device: auto, cpu, cuda or cuda:N [auto].",
    )


def add_averaging(parser: "argparse._ActionsContainer") -> None:
    """Whether several predictions of a picture are averaged."""
    add = parser.add_argument
    add(
        "--sliding",
        action="store_true",
        help="Average overlapping windows of the size seen in training; slower.",
    )
    add("--flip", action="store_true", help="Average with the mirrored picture; slower.")


def add_pixel_aspect(parser: "argparse._ActionsContainer", default: str) -> None:
    """The shape of the pixels of pictures; `default` says what it is if the option is left out."""
    parser.add_argument(
        "--pixel-aspect",
        type=pixel_aspect,
        metavar="N",
        help="Width of a pixel divided by its height, such as 2 for 2:1 pictures that were "
        f"squeezed to squares [{default}].",
    )


def pixel_aspect(text: str) -> float:
    """A type for `add_argument`: the width of a pixel divided by its height."""
    from cityseg.data import MOST_ASPECT

    value = float(text)
    if not 1 / MOST_ASPECT <= value <= MOST_ASPECT:  # false for nan as well
        raise argparse.ArgumentTypeError(
            f"{text} is not between {1 / MOST_ASPECT:g} and {MOST_ASPECT:g}"
        )
    return value


def size_hw(text: str) -> tuple[int, int]:
    """A type for `add_argument`: a size such as 256x512, as (height, width)."""
    from cityseg.config import parse_size
    from cityseg.errors import ConfigError

    try:
        return parse_size(text)
    except ConfigError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def whole_number(least: int, most: float = inf) -> Callable[[str], int]:
    """A type for `add_argument`: a whole number from `least` to `most`."""

    def parse(text: str) -> int:
        value = int(text)
        if value < least:
            raise argparse.ArgumentTypeError(f"{value} is below {least}")
        if value > most:
            raise argparse.ArgumentTypeError(f"{value} is above {most}")
        return value

    parse.__name__ = "whole number"  # as argparse calls it in "invalid … value"
    return parse
