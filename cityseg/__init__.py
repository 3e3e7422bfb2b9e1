"""Look into Cityscapes, train a segmentation network on it, and see what the network does.

For notebooks and short scripts, `Dataset` and `Network` do what the commands do:

    data = cityseg.Dataset("city")
    image, train_ids = data["val"][0].image(), data["val"][0].train_ids()
    network = data.train(preset="fast", epochs=3)       # or cityseg.Network("box")
    network.evaluate(data).scores.mean_iou
    network.predict(image)                              # shown as an overlay in a notebook

Importing the package loads nothing: both are loaded when they are first used.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cityseg.notebook import Dataset as Dataset
    from cityseg.notebook import Network as Network

# No __all__: the reference would leave out the rooms of the package.
__version__ = "0.2.0"


def __dir__() -> list[str]:
    """With what is loaded when it is used."""
    return sorted({*globals(), "Dataset", "Network"})


def __getattr__(name: str) -> object:
    if name in ("Dataset", "Network"):
        from cityseg import notebook

        return getattr(notebook, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
