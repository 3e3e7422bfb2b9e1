"""The sample city: frames and annotations in the Cityscapes layout, painted by this package."""

from cityseg.sample.dataset import MIN_SIZE_HW, make_sample

__all__ = ["MIN_SIZE_HW", "make_sample"]
