"""The network that was chosen as an ONNX file."""

from importlib.util import find_spec
from pathlib import Path, PurePath
from tempfile import TemporaryDirectory
from typing import Final

import streamlit as st

from cityseg.errors import CitysegError
from cityseg.ui.predict.inference import Upload, as_file, load, version, waiting_for_others
from cityseg.ui.predict.networks import Network

#: The version of the weights that this session has asked for.
_ASKED: Final = "onnx_of"


def show_onnx(network: Network) -> None:
    """Draw the button that exports `network`, and then that of the file.

    Raises CheckpointError or ModelError if it cannot be exported.
    """
    if not all(map(find_spec, ("onnx", "onnxscript"))):
        st.caption("To save it as an ONNX file, install more packages: `pip install cityseg[onnx]`")
        return
    weights = network.weights
    if st.session_state.get(_ASKED) != version(weights):
        st.button(
            "Export to ONNX",
            icon=":material/deployed_code:",
            help="One file, from the pixels of a picture to the class of each, for ONNX Runtime "
            "and other programs. Takes up to a minute.",
            on_click=_ask,
            args=(weights,),
        )
        return
    try:
        content = _exported(version(weights), weights)
    except CitysegError:
        del st.session_state[_ASKED]  # every rerun would try again
        raise
    st.download_button(
        "ONNX file",
        lambda: content,
        file_name=f"{_stem(weights)}.onnx",
        mime="application/octet-stream",
        key="download-onnx",
        help=f"{len(content) / 1e6:.1f} MB. docs/onnx.md shows how to run it.",
        icon=":material/download:",
        on_click="ignore",
    )


def _ask(weights: Path | Upload) -> None:
    st.session_state[_ASKED] = version(weights)


def _stem(weights: Path | Upload) -> str:
    return weights.stem if isinstance(weights, Path) else PurePath(weights.name).stem


# As in `inference`, `_weights` is not hashed.
@st.cache_resource(max_entries=2, show_spinner="Exporting the network …")
def _exported(of: object, _weights: Path | Upload) -> bytes:
    """The ONNX file of the weights; raises CheckpointError, ModelError or CitysegError."""
    load(_weights)  # which imports torch, and says so
    from cityseg.export.onnx_file import export_onnx

    try:
        with waiting_for_others(), as_file(_weights) as file, TemporaryDirectory() as folder:
            out = Path(folder, "network.onnx")
            export_onnx(file, out)
            return out.read_bytes()
    except OSError as error:
        raise CitysegError(
            f"The ONNX file cannot be kept among the temporary files ({error.strerror}): free some "
            "space there"
        ) from error
