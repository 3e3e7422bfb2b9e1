"""A trained network on pictures."""

from cityseg.prediction.files import (
    encode_prediction,
    predict_all,
    predict_files,
    write_prediction,
)
from cityseg.prediction.predictor import Predictor

__all__ = ["Predictor", "encode_prediction", "predict_all", "predict_files", "write_prediction"]
