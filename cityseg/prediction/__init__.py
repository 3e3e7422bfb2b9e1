"""A trained network on pictures, from arrays or files; loads torch."""

from cityseg.prediction.files import (
    OUTPUT_KINDS,
    OutputKind,
    PredictionReport,
    encode_prediction,
    output_paths,
    plan_names,
    predict_all,
    predict_files,
    write_prediction,
)
from cityseg.prediction.predictor import Prediction, Predictor
from cityseg.prediction.upsampling import classify_logits

__all__ = [
    "OUTPUT_KINDS",
    "OutputKind",
    "Prediction",
    "PredictionReport",
    "Predictor",
    "classify_logits",
    "encode_prediction",
    "output_paths",
    "plan_names",
    "predict_all",
    "predict_files",
    "write_prediction",
]
