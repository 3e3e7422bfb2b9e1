"""A trained network on pictures, from arrays or files; loads torch, and ONNX Runtime if used."""

from cityseg.prediction.corruptions import corrupt, corrupt_picture
from cityseg.prediction.file_shards import merge_predictions, predict_shard
from cityseg.prediction.files import (
    OUTPUT_KINDS,
    OutputKind,
    PicturePredictor,
    PredictionReport,
    check_outputs,
    encode_prediction,
    output_folders,
    output_paths,
    overlay,
    plan_names,
    predict_all,
    write_prediction,
)
from cityseg.prediction.kept_classes import KeptClasses
from cityseg.prediction.onnx_predictor import ONNX_FORMAT, OnnxPredictor
from cityseg.prediction.predictor import Prediction, Predictor
from cityseg.prediction.uncertainty import UncertainPrediction, predict_uncertain
from cityseg.prediction.upsampling import classify_logits
from cityseg.prediction.video import VideoReport, check_video_output, part_path, predict_video

__all__ = [
    "ONNX_FORMAT",
    "OUTPUT_KINDS",
    "KeptClasses",
    "OnnxPredictor",
    "OutputKind",
    "PicturePredictor",
    "Prediction",
    "PredictionReport",
    "Predictor",
    "UncertainPrediction",
    "VideoReport",
    "check_outputs",
    "check_video_output",
    "classify_logits",
    "corrupt",
    "corrupt_picture",
    "encode_prediction",
    "merge_predictions",
    "output_folders",
    "output_paths",
    "overlay",
    "part_path",
    "plan_names",
    "predict_all",
    "predict_shard",
    "predict_uncertain",
    "predict_video",
    "write_prediction",
]
