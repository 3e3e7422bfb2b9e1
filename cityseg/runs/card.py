"""The card of a network: a page of Markdown with its training, its scores and its licence."""

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from cityseg.config import TrainConfig, make_config
from cityseg.labels import CLASS_NAMES
from cityseg.presets import PRESETS

#: Settings that belong to the machine of a training, not to its recipe.
_OF_THE_MACHINE: Final = frozenset(
    {"data", "masks", "store", "exclude", "review", "title", "device", "wandb", "wandb_project"}
)


class CardScores(NamedTuple):
    """A column of the table of scores: what was scored, and its scores as they are saved."""

    name: str
    scores: Mapping[str, Any]


class CardNotes(NamedTuple):
    """What the maker of a network says about it, without markup; empty where the card is silent."""

    data: str
    limits: str


def network_card(
    title: str,
    config: TrainConfig,
    epoch: int,
    scores: Sequence[CardScores],
    *,
    data: str,
    licence: str = "",
    limits: str = "",
) -> str:
    """The card of a network that was trained with `config` and kept after `epoch`.

    `title`, `data`, `licence` and `limits` are Markdown; the card is silent on what is empty.
    """
    height, width = config.size
    crop_height, crop_width = config.crop_hw
    facts = [
        *([("Licence", licence)] if licence else []),
        ("Data", data),
        ("Network", f"`{config.model}`, normalisation `{config.norm}`"),
        ("Size", f"{width}×{height} pixels, trained on crops of {crop_width}×{crop_height}"),
        ("Epoch", f"{epoch} of {config.epochs}"),
        ("Seed", f"{config.seed}"),
    ]
    return "\n".join(
        [
            f"# {title}\n",
            *_table(("About", "This network"), facts),
            "\nTrained with\n",
            f"    {train_command(config)}\n",
            "## Scores\n",
            "Intersection over union by class, and its mean; a dash where it is undefined.\n",
            *_table(("Score", *(each.name for each in scores)), _with_bold_mean(scores)),
            *(["\n## Limits\n", limits] if limits else []),
            "",
        ]
    )


def read_card_notes(card: str) -> CardNotes:
    """The notes in a `network_card`."""
    data = re.search(r"^\| Data \| (.*) \|$", card, re.MULTILINE)
    limits = card.partition("\n## Limits\n\n")[2].strip()
    return CardNotes(*(re.sub(r"\*\*|`", "", text) for text in (data[1] if data else "", limits)))


def _with_bold_mean(scores: Sequence[CardScores]) -> list[tuple[str, ...]]:
    (name, *values), *others = score_rows(scores)
    return [(f"**{name}**", *values), *others]


def score_rows(scores: Sequence[CardScores]) -> list[tuple[str, ...]]:
    """The mean IoU, the pixel accuracy and the IoU of each class, a column for each of `scores`."""

    def row(name: str, values: Iterable[float | None]) -> tuple[str, ...]:
        return (name, *("–" if value is None else f"{value:.3f}" for value in values))

    class_ious = [each.scores.get("class_iou") or {} for each in scores]
    return [
        row("Mean IoU", (each.scores.get("mean_iou") for each in scores)),
        row("Pixel accuracy", (each.scores.get("pixel_accuracy") for each in scores)),
        *(row(name, (ious.get(name) for ious in class_ious)) for name in CLASS_NAMES),
    ]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table in Markdown."""
    rule = ["---"] * len(head)
    return [f"| {' | '.join(cells)} |" for cells in (head, rule, *rows)]


def train_command(config: TrainConfig) -> str:
    """The command that trains with `config`, without the folders of this machine.

    It names the preset from which the fewest settings differ.
    """
    flags = min((_flags(config, preset) for preset in PRESETS), key=len)
    return shlex.join(["python", "-m", "cityseg", "train", "--data", "DATA", *flags])


def _flags(config: TrainConfig, preset: str) -> list[str]:
    wanted, given = (each.model_dump(mode="json") for each in (config, make_config({}, preset)))
    flags = [] if preset == "reference" else ["--preset", preset]
    for name, value in wanted.items():
        if name in _OF_THE_MACHINE or value == given[name]:
            continue
        flag = name.replace("_", "-")
        if isinstance(value, bool):
            flags.append(f"--{flag}" if value else f"--no-{flag}")
        else:
            is_path = isinstance(getattr(config, name), Path)
            flags += [f"--{flag}", "NETWORK" if is_path else f"{value}"]
    return flags
