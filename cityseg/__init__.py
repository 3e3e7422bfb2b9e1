"""Look into Cityscapes, train a segmentation network on it, and see what the network does."""

__version__ = "0.2.0"
