"""The choice of a network: the one in the box, that of a run, or a weights file."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from streamlit.runtime.uploaded_file_manager import UploadedFile

from cityseg.config import TrainConfig
from cityseg.errors import CheckpointError
from cityseg.jobs import watch_runs
from cityseg.runs import (
    BOX,
    BOX_LICENCE,
    BOX_TITLE,
    CardScores,
    RunDir,
    box_card,
    box_weights,
    kept_weights,
    network_card,
    read_about,
    read_config,
    read_scores,
)
from cityseg.ui import address
from cityseg.ui.folders import Folders
from cityseg.ui.formatting import percent
from cityseg.ui.predict.inference import Upload, load
from cityseg.ui.predict.uploads import choose_file
from cityseg.ui.run_labels import distinct_names
from cityseg.ui.shell import page_file
from cityseg.ui.text import plain

#: The limit of the server, in config.toml; the weights of the reference network have 120.
LARGEST_UPLOAD_MIB: Final = 500
_FILE: Final = "File"
_HEADING: Final = re.compile(r"^#+ (.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Network:
    """A network to predict with; `licence` restricts its use, and `card` is Markdown.

    `card` raises CheckpointError if the weights cannot be read.
    """

    weights: Path | Upload
    name: str
    card: Callable[[], str] = field(repr=False)
    licence: str = ""


def box_network() -> Network | None:
    """The network in the box; None if none ships."""
    try:
        return Network(box_weights(), BOX_TITLE, box_card, BOX_LICENCE)
    except CheckpointError:
        return None


def choose_network(folders: Folders, below: DeltaGenerator) -> Network | None:
    """Draw the choice of a network, and `below` the field for a file; None before one is chosen.

    Raises RunError if the folder of runs cannot be listed.
    """
    # Before anything is drawn: whatever is read here of thousands of runs delays the page.
    box, entries = box_network(), watch_runs(folders.runs)
    names = distinct_names(entries)
    runs = {network_key(entry.id): entry for entry in entries if _has_weights(entry.run)}
    texts = {
        **({BOX: box.name} if box else {}),
        **{key: names[entry.id] for key, entry in runs.items()},
        _FILE: "A weights file",
    }
    _take_older_address()
    asked = st.query_params.get("network")
    if asked and asked not in texts:
        with below:
            address.say_missing(f"network {plain(asked)}")
    chosen = address.select("Network", list(texts), "network", texts.__getitem__, width=225)
    if box and chosen == BOX:
        return box
    if chosen in runs:
        return _choose_weights(runs[chosen].run, texts[chosen])
    with below:
        if not runs and not box:
            st.info(f"No run in {plain(folders.runs)} has saved a network.", icon=":material/info:")
            train = page_file("train")
            st.page_link(train, label="Train a network", icon=":material/model_training:")
        return choose_file(
            "Weights file",
            "weights_file",
            _accept_weights,
            max_upload_size=LARGEST_UPLOAD_MIB,
            help="Weights that cityseg has saved, such as best.safetensors in a run's folder.",
        )


def _has_weights(run: RunDir) -> bool:
    """Whether `run` has kept weights; most have the best, which takes one look to find."""
    return run.best.is_file() or bool(kept_weights(run))


def network_key(run_id: str) -> str:
    """As commands name networks: a run called box is ./box."""
    return f"./{run_id}" if run_id in (BOX, _FILE) else run_id


def _take_older_address() -> None:
    """Links of version 0.1.0 have the run in a parameter of its own."""
    if run_id := st.query_params.get("network_run"):
        del st.query_params["network_run"]
        st.query_params["network"] = network_key(run_id)


def _choose_weights(run: RunDir, name: str) -> Network:
    """Draw the choice among the weights that `run` has kept, if there are several."""
    files = {path.stem: path for path in kept_weights(run)}
    stem = next(iter(files))
    if len(files) > 1:
        labels = {each: _describe(path) for each, path in files.items()}
        stem = address.select("Weights", list(files), "weights", labels.__getitem__, width=230)
    weights = files[stem]

    def card() -> str:
        epoch, config = read_about(weights).epoch, read_config(weights)
        return _card(name, config, epoch, read_scores(weights))

    return Network(weights, name, card)


def _describe(weights: Path) -> str:
    name = weights.stem.replace("epoch-", "epoch ").capitalize()
    try:
        about = read_about(weights)
    except CheckpointError:
        return f"{name} · cannot be read"
    parts = [name]
    if weights.stem == "best":
        parts.append(f"epoch {about.epoch}")
    if about.mean_iou is not None:
        parts.append(f"mean IoU {percent(about.mean_iou)}")
    return " · ".join(parts)


def _accept_weights(file: UploadedFile) -> Network:
    """An uploaded weights file, once it was loaded; raises CheckpointError or ModelError."""
    upload = Upload(file.file_id, file.name, file.getvalue())
    checkpoint = load(upload).checkpoint
    card = _card(file.name, checkpoint.config, checkpoint.epoch, checkpoint.scores)
    return Network(upload, file.name, lambda: card)


def _card(name: str, config: TrainConfig, epoch: int, scores: Mapping[str, Any]) -> str:
    columns = [CardScores("Validation in training", scores)] if "class_iou" in scores else []
    data = f"The frames of {plain(config.data)}"
    return network_card(plain(name), config, epoch, columns, data=data)


def show_card(network: Network) -> None:
    """Draw the card of `network`.

    Raises CheckpointError if its weights cannot be read.
    """
    # Its headings would stand between those of the page.
    st.markdown(_HEADING.sub(r"**\1**", network.card()))
