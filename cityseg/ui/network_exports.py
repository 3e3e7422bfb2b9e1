"""The menu that exports a trained network, as a task in the background, to a file to download.

The file lies in the folder of its task, which the page Overview offers for removal a week later.
"""

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path, PurePath
from typing import Final, NamedTuple

import streamlit as st

from cityseg.errors import RunError
from cityseg.jobs import Task
from cityseg.runs import BOX, RunDir, is_box
from cityseg.ui import cached, progress
from cityseg.ui.folders import Folders
from cityseg.ui.predict.inference import Upload
from cityseg.ui.shell import errors_shown
from cityseg.wording import readable_size

#: Whether the menu is open.
OPEN: Final = "network_export"
_SUBMISSION: Final = "submission"
_TEST: Final = "test"


class _Form(NamedTuple):
    """A form of a network: the command's word, the end of the file's name, and what it is for."""

    to: str
    ending: str
    label: str
    about: str
    media_type: str


_FORMS: Final = (
    _Form(
        "onnx",
        ".onnx",
        "ONNX",
        "From the pixels of a picture to the class of each, for ONNX Runtime and other programs.",
        "application/octet-stream",
    ),
    _Form(
        "card",
        "-card.html",
        "Card as HTML",
        "A page for people: data, recipe, curves, scores, limits and licence.",
        "text/html",
    ),
    _Form(
        "card",
        "-card.md",
        "Card as Markdown",
        "The same for a model hub, with the metadata of Hugging Face.",
        "text/markdown",
    ),
    _Form(
        "state_dict",
        "-state_dict.safetensors",
        "State dict",
        "The tensors alone, for segmentation-models-pytorch.",
        "application/octet-stream",
    ),
    _Form(
        _SUBMISSION,
        "-submission.zip",
        "Submission",
        "Predictions of the test split for the evaluation server of Cityscapes, checked as it "
        "checks them.",
        "application/zip",
    ),
)
#: What the exporter imports.
_ONNX_PACKAGES: Final = ("onnx", "onnxscript")


def show_export_menu(
    folders: Folders, networks: Mapping[str, Path | Upload], flags: tuple[str, ...] = ()
) -> None:
    """Draw the menu for `networks`, weights by what people call them.

    `flags` are the options with which a submission is predicted.
    """
    # Filled only while it is open: otherwise every rerun would look for tasks and frames.
    menu = st.popover("Export", icon=":material/deployed_code:", key=OPEN, on_change="rerun")
    if not menu.open:
        return
    with menu, errors_shown():
        if not networks:
            st.caption("No network is saved yet: wait for the end of the first epoch.")
            return
        names = list(networks)
        name = st.selectbox("Network", names, key="export_of") if len(names) > 1 else names[0]
        forms = {form.label: form for form in _FORMS if _is_possible(form, folders)}
        label = st.radio(
            "Export as",
            list(forms),
            captions=[form.about for form in forms.values()],
            key="export_as",
        )
        _show_form(forms[str(label)], folders, networks[str(name)], flags)


def _is_possible(form: _Form, folders: Folders) -> bool:
    if form.to != _SUBMISSION:
        return True
    if cached.missing_frames(folders.data, folders.masks):
        return False
    return any(each.split == _TEST for each in cached.frames(folders.data, folders.masks))


def _show_form(
    form: _Form, folders: Folders, weights: Path | Upload, flags: tuple[str, ...]
) -> None:
    """Draw the task of one form: its progress, the file, and the button that starts it."""
    options: list[object] = []
    if form.to == _SUBMISSION:
        options = ["--data", folders.data, *flags]
    task = Task.of(folders.runs, "export", form.ending, *identity_of(weights), *options)
    out = task.folder / f"network{form.ending}"
    state = task.state()
    is_there = state.phase == "done" and out.is_file()
    if is_there:
        _show_download(out, f"{_stem(weights)}{form.ending}", form.media_type)
    if form.to == "onnx" and not all(map(find_spec, _ONNX_PACKAGES)):
        st.caption("This needs more packages: `pip install 'cityseg[onnx]'`")
    elif not state.is_live and st.button(
        "Export again" if is_there else "Export",
        key="export_start",
        icon=":material/deployed_code:",
    ):
        _start(task, weights, out, ["--to", form.to, "--out", out, *options])
        st.rerun()
    progress.show(task, key="export")


def _start(task: Task, weights: Path | Upload, out: Path, options: list[object]) -> None:
    """Start the task. An earlier file is removed: a failure must not leave it as the result."""
    try:
        out.unlink(missing_ok=True)
        named = named_for_command(task, weights)
    except OSError as error:
        raise RunError(
            f"{task.folder} cannot be written to ({error.strerror}): check permissions and free "
            "space, or choose another folder for runs"
        ) from error
    task.start(named, *options)


def named_for_command(task: Task, weights: Path | Upload) -> object:
    """How the command names the weights; an upload becomes a file of the task."""
    if isinstance(weights, Upload):
        file = task.folder / "uploaded" / PurePath(weights.name).name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(weights.content)
        return file
    if is_box(weights):
        return BOX
    run = _run_of(weights)
    return run.path if run and weights == run.best else weights


def _run_of(weights: Path) -> RunDir | None:
    """The run that has kept `weights`: its folder says more of a network than the file does."""
    run = RunDir(weights.parent.parent)
    return run if weights.parent == run.checkpoints and run.config_file.is_file() else None


def identity_of(weights: Path | Upload) -> tuple[object, ...]:
    """Differs between any two weights, also those that replace others under the same name."""
    return (weights.id,) if isinstance(weights, Upload) else (weights, *cached.stamp(weights))


def _stem(weights: Path | Upload) -> str:
    """The name of a file without its ending."""
    if isinstance(weights, Upload):
        return PurePath(weights.name).stem
    run = _run_of(weights)
    if run is None:
        return weights.stem
    return run.id if weights == run.best else f"{run.id}-{weights.stem}"


def _show_download(out: Path, name: str, media_type: str) -> None:
    read: Callable[[], bytes] = out.read_bytes  # called at the click
    st.download_button(
        f"Download ({readable_size(out.stat().st_size)})",
        read,
        name,
        media_type,
        key="export_download",
        icon=":material/download:",
        on_click="ignore",
    )
