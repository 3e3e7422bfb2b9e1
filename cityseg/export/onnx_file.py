"""A network as one ONNX file: from the uint8 pixels of a picture to the class of each of them.

The graph does all that `prediction.Predictor` does: it places the picture as `Geometry` does, to
the pixel of OpenCV's resizing, normalises, runs the network, enlarges its logits, and only then
takes the best class. picture.onnxtxt has what surrounds the network, in standard operators.

    image       uint8    (height, width, 3)  RGB
    train_ids   uint8    (height, width)     0–18
    confidence  float32  (height, width)     softmax probability of that class
"""

import importlib
import json
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np
import torch
from torch import nn

from cityseg.config import TrainConfig
from cityseg.errors import CitysegError, ConfigError, ModelError
from cityseg.geometry import PADDING, Geometry, prediction_geometry
from cityseg.labels import TRAIN_LABELS
from cityseg.models.inputs import MEAN, STD
from cityseg.prediction import ONNX_FORMAT
from cityseg.runs import BOX_LICENCE, find_weights, is_box, read_metadata
from cityseg.runs.checkpoints import Checkpoint, load_weights
from cityseg.system import replacing

if TYPE_CHECKING:
    from onnx import ModelProto

#: Of the standard operators; ONNX Runtime reads it since version 1.14.
OPSET: Final = 18
_AROUND: Final = "picture.onnxtxt"
_NETWORK: Final = "network"


def export_onnx(
    network: str | Path,
    out: Path,
    *,
    size_hw: tuple[int, int] | None = None,
    picture_hw: tuple[int, int] | None = None,
    pixel_aspect: float = 1.0,
) -> None:
    """Write the box, the best weights of a run's folder, or a weights file as ONNX to `out`.

    `size_hw` is the size to predict at, by default that of training; `picture_hw` the only size of
    pictures that the file takes, by default any; `pixel_aspect` as in `Predictor.predict`. Raises
    CheckpointError or ModelError if the network cannot be loaded or exported, ConfigError if it
    needs `picture_hw` and there is none, CitysegError if a package is missing or `out` cannot be
    written.
    """
    weights = find_weights(network)
    checkpoint = load_weights(weights)
    model = onnx_model(checkpoint, size_hw, picture_hw, pixel_aspect)
    about = {"digest": read_metadata(weights)["digest"]}
    if is_box(weights):
        about["licence"] = BOX_LICENCE
    _add_metadata(model, {**_metadata(checkpoint, size_hw, pixel_aspect), **about})
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with replacing(out) as file:
            file.write(model.SerializeToString())
    except OSError as error:
        raise CitysegError(
            f"{out} cannot be written ({error.strerror}): choose another file with --out"
        ) from error


def onnx_model(
    checkpoint: Checkpoint,
    size_hw: tuple[int, int] | None = None,
    picture_hw: tuple[int, int] | None = None,
    pixel_aspect: float = 1.0,
) -> "ModelProto":
    """The graph of `checkpoint`, without metadata; arguments and errors as of `export_onnx`."""
    onnx = _onnx()
    geometry = prediction_geometry(checkpoint.config, pixel_aspect, size_hw)
    canvas_hw = geometry.size_hw
    if geometry.fit == "keep_0_1_0":
        canvas_hw = _canvas_of_old(geometry, picture_hw)
    model = surroundings(geometry, canvas_hw)
    _insert(model, _network_graph(checkpoint.build(), canvas_hw, checkpoint.config))
    if picture_hw:
        for tensor in (*model.graph.input, *model.graph.output):
            for dimension, length in zip(
                tensor.type.tensor_type.shape.dim, picture_hw, strict=False
            ):
                dimension.dim_value = length
    model = cast("ModelProto", onnx.inliner.inline_local_functions(model))
    onnx.checker.check_model(model, full_check=True)
    return model


def surroundings(geometry: Geometry, canvas_hw: tuple[int, int]) -> "ModelProto":
    """The graph with a node that stands for the network, whose input is `canvas_hw`.

    Raises CitysegError if a package is missing.
    """
    onnx = _onnx()
    text = files("cityseg.export").joinpath(_AROUND).read_text("utf-8")
    model: ModelProto = onnx.parser.parse_model(text)
    values = {
        "canvas_hw": np.array(canvas_hw, np.int64),
        "pixel_shape": np.array([1.0, geometry.pixel_aspect]),
        "is_contained": np.array(geometry.fit == "contain"),
        "padding": np.array(PADDING, np.float32),
        "mean": np.array(MEAN, np.float32),
        "deviation": np.array(STD, np.float32),
    }
    tensors = [onnx.numpy_helper.from_array(array, name) for name, array in values.items()]
    model.graph.initializer.extend(tensors)
    return model


def _onnx() -> Any:
    """The package onnx with the modules used here; raises CitysegError if one is missing."""
    try:
        import onnx
        import onnx.checker
        import onnx.compose
        import onnx.inliner
        import onnx.numpy_helper
        import onnx.parser

        importlib.import_module("onnxscript")  # torch exports with it
    except ImportError as error:
        raise CitysegError(
            f"The package {error.name} is not installed: run pip install 'cityseg[onnx]'"
        ) from error
    return onnx


def _canvas_of_old(geometry: Geometry, picture_hw: tuple[int, int] | None) -> tuple[int, int]:
    """The input of a network of version 0.1.0, which depends on the picture."""
    if not picture_hw:
        raise ConfigError(
            "The network was trained by version 0.1.0, and its input has another size for each "
            "size of pictures: name theirs with --picture HEIGHTxWIDTH"
        )
    return geometry.placement(picture_hw).canvas_hw


def _network_graph(
    network: nn.Module, canvas_hw: tuple[int, int], config: TrainConfig
) -> "ModelProto":
    """`network` for (1, 3, *canvas_hw) float32 pixels; raises ModelError if it has no such form."""
    with _quiet():
        try:
            program = torch.onnx.export(
                network,
                (torch.zeros(1, 3, *canvas_hw),),
                dynamo=True,
                opset_version=OPSET,
                input_names=["pixels"],
                output_names=["logits"],
                verbose=False,
            )
            assert program is not None  # noqa: S101
            return program.model_proto
        except Exception as error:  # any operator of any architecture may have no counterpart
            raise ModelError(
                f"The model {config.model!r} cannot be exported to ONNX ({type(error).__name__}): "
                "choose another architecture"
            ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what the exporter and the packages that it calls say about themselves."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _insert(model: "ModelProto", network: "ModelProto") -> None:
    """Put the nodes of `network` in place of the node that stands for it."""
    onnx = _onnx()
    network = onnx.compose.add_prefix(network, f"{_NETWORK}/")
    (entry,), (result,) = network.graph.input, network.graph.output
    names = {entry.name: "pixels", result.name: "logits"}
    for node in network.graph.node:
        for values in (node.input, node.output):
            values[:] = [names.get(name, name) for name in values]
    nodes = list(model.graph.node)
    at = next(index for index, node in enumerate(nodes) if node.op_type == _NETWORK)
    del model.graph.node[:]
    model.graph.node.extend([*nodes[:at], *network.graph.node, *nodes[at + 1 :]])
    model.graph.initializer.extend(network.graph.initializer)
    model.functions.extend(network.functions)
    known = {each.domain for each in model.opset_import}
    model.opset_import.extend(each for each in network.opset_import if each.domain not in known)


def _metadata(
    checkpoint: Checkpoint, size_hw: tuple[int, int] | None, pixel_aspect: float
) -> dict[str, str]:
    config = checkpoint.config
    return {
        "format": ONNX_FORMAT,
        "classes": json.dumps([label.name for label in TRAIN_LABELS]),
        "colors": json.dumps([label.color for label in TRAIN_LABELS]),
        "label_ids": json.dumps([label.id for label in TRAIN_LABELS]),
        "model": config.model,
        "size": json.dumps(size_hw or config.size),
        "fit": prediction_geometry(config).fit,
        "pixel_aspect": json.dumps(pixel_aspect),
        "epoch": str(checkpoint.epoch),
        "mean_iou": json.dumps(checkpoint.scores.get("mean_iou")),
        "opset": str(OPSET),
    }


def _add_metadata(model: "ModelProto", about: Mapping[str, str]) -> None:
    from cityseg import __version__

    model.producer_name, model.producer_version = "cityseg", __version__
    for key, value in about.items():
        model.metadata_props.add(key=key, value=value)
