"""A sample city: frames and annotations in the Cityscapes layout, painted for demos and tests."""

from cityseg.sample.dataset import MIN_SIZE_HW, SPLITS, make_sample, paint_frame

__all__ = ["MIN_SIZE_HW", "SPLITS", "make_sample", "paint_frame"]
