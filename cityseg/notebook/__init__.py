"""Datasets and networks as objects for notebooks, which show themselves; torch only when used."""

from cityseg.notebook.dataset import Dataset, LabelledFrame, Split
from cityseg.notebook.network import Evaluated, Network, Predicted

__all__ = ["Dataset", "Evaluated", "LabelledFrame", "Network", "Predicted", "Split"]
