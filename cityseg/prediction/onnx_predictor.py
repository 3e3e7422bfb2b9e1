"""A network in an ONNX file on a picture, by ONNX Runtime."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cityseg.arrays import Uint8Array
from cityseg.errors import CheckpointError, CitysegError, ConfigError, ImageError
from cityseg.labels import CLASS_NAMES
from cityseg.prediction.predictor import Prediction
from cityseg.system import available_cores

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

#: The format in the metadata of a file.
ONNX_FORMAT: Final = "cityseg-onnx-1"
_PROVIDERS: Final = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


class OnnxPredictor:
    """A file of `export.onnx_file`, ready to predict; threads may share it."""

    def __init__(self, path: Path, device: str = "auto") -> None:
        """Load `path` on the device "auto", "cpu", "cuda" or "cuda:N".

        Raises CheckpointError if it is missing, damaged or not ours, ConfigError if ONNX Runtime
        does not support the device here, CitysegError if it is not installed.
        """
        self._session = _session(path, device)
        about = self._session.get_modelmeta().custom_metadata_map
        if about.get("format") != ONNX_FORMAT:
            raise CheckpointError(
                f"{path} was not written by cityseg, as its metadata shows: use a file of "
                "python -m cityseg export NETWORK --to onnx"
            )
        try:
            classes, aspect = json.loads(about["classes"]), float(about["pixel_aspect"])
        except (KeyError, ValueError) as error:
            raise CheckpointError(
                f"{path} was written by another version of cityseg ({error}): export it again"
            ) from error
        if classes != list(CLASS_NAMES):
            raise CheckpointError(
                f"{path} is a network of other classes than the {len(CLASS_NAMES)} of Cityscapes: "
                "use another file"
            )
        self._pixel_aspect = aspect

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
        """Classify (H, W, 3) uint8 RGB, as `Predictor.predict` does in float32.

        Size, windows and the shape of pixels stand in the file. Raises ConfigError for `sliding`,
        `flip` and `size_hw`, ImageError if `image` is not of the shape that the file takes.
        """
        if sliding or flip or size_hw:
            raise ConfigError(
                "An ONNX file has no sliding windows, mirrored pictures or other sizes: use the "
                "backend torch, or export the network with another size"
            )
        if pixel_aspect != self._pixel_aspect:
            raise ImageError(
                f"The pixels of the picture have an aspect of {pixel_aspect:g}, those of the ONNX "
                f"file {self._pixel_aspect:g}: export the network, or predict with the backend "
                f"onnx, with --pixel-aspect {pixel_aspect:g}"
            )
        self._check_shape(image)
        classes, confidence = self._run(image, with_confidence)
        return Prediction(classes, None if confidence is None else confidence.astype(np.float16))

    def _check_shape(self, image: Uint8Array) -> None:
        expected = self._session.get_inputs()[0].shape
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
            raise ImageError(
                f"The ONNX file takes pictures of (height, width, 3) uint8: found {image.shape} "
                f"{image.dtype}"
            )
        wanted_hw = expected[:2]
        if any(isinstance(n, int) and n != m for n, m in zip(wanted_hw, image.shape, strict=False)):
            height, width = image.shape[:2]
            raise ImageError(
                f"The ONNX file takes pictures of {wanted_hw[1]}×{wanted_hw[0]} only, and this one "
                f"has {width}×{height}: resize it, or export the network without --picture"
            )

    def _run(self, image: Uint8Array, with_confidence: bool) -> tuple[Uint8Array, Any]:
        from onnxruntime import RunOptions

        names = ["train_ids", "confidence"] if with_confidence else ["train_ids"]
        options = RunOptions()
        options.only_execute_path_to_fetches = True  # confidence takes time, too
        pixels = np.ascontiguousarray(image)
        try:
            found = self._session.run(names, {"image": pixels}, options)
        except Exception as error:  # the library has an error of its own for each kind of failure
            raise CitysegError(
                f"ONNX Runtime cannot predict the picture ({_first_line(error)}): use the backend "
                "torch"
            ) from error
        return found[0], found[1] if with_confidence else None


def _session(path: Path, device: str) -> "InferenceSession":
    try:
        import onnxruntime
    except ImportError as error:
        raise CitysegError(
            "The package onnxruntime is not installed: run pip install 'cityseg[onnx]'"
        ) from error
    if not path.is_file():
        found = f"{path} is no regular file" if path.exists() else f"There is no file {path}"
        raise CheckpointError(f"{found}: name an ONNX file")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = available_cores()
    # Threads that spin while they wait slow down all others where cores are busy.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3  # errors only, which are raised as well
    providers = _providers(device, onnxruntime.get_available_providers())
    try:
        return onnxruntime.InferenceSession(str(path), options, providers)
    except Exception as error:
        raise CheckpointError(
            f"{path} is damaged or no ONNX file ({_first_line(error)}): use another file"
        ) from error


def _providers(device: str, available: list[str]) -> list[Any]:
    """The execution providers of ONNX Runtime for `device`; raises ConfigError."""
    kind, _, number = device.partition(":")
    if kind == "auto":
        return [each for each in reversed(_PROVIDERS.values()) if each in available]
    if _PROVIDERS.get(kind) not in available:
        raise ConfigError(
            f"ONNX Runtime does not support the device {device} here: choose auto or cpu, or "
            "install onnxruntime-gpu"
        )
    return [(_PROVIDERS[kind], {"device_id": number or "0"} if kind == "cuda" else {})]


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:200]
