"""What the terms of the pages mean, for the `help` of the elements that use them."""

from typing import Final

TERMS: Final = {
    "IoU": "Intersection over union: the pixels that are right, divided by all that belong to the "
    "class in the annotation or in the prediction. 100% is perfect.",
    "Mean IoU": "The IoU averaged over the classes: each class counts the same, however rare.",
    "Pixel accuracy": "The share of the evaluated pixels that are predicted right.",
    "Category IoU": "The IoU of groups of classes, such as vehicle: confusing a car with a truck "
    "is no error there.",
    "Instance IoU": "Also called iIoU: as IoU, but each single object, such as a person, counts "
    "as much as one of average size, so that small ones are not outweighed.",
    "Confusion": "A table of the annotated class against the predicted one: what is off the "
    "diagonal is an error.",
    "Label id": "The number of a label in the files of Cityscapes, 0–33.",
    "Train id": "The number of one of the 19 classes that networks learn, 0–18.",
    "255": "The value of ignored pixels in a mask: nothing is learned from them, and they are not "
    "scored.",
    "Void": "Labels that are no class, such as ego vehicle or static; their pixels are ignored.",
    "Ego vehicle": "The car that carries the camera.",
    "Out of ROI": "Outside of the region that was annotated.",
    "Rectification border": "The edge that straightening the picture left empty.",
    "Static and dynamic": "Other things that stand or move.",
    "Mask": "A picture whose pixels are train ids, or 255: what networks learn from.",
    "EMA": "Exponential moving average: the weights averaged over the latest steps, often a "
    "little better than those of the last step.",
    "Epoch": "One pass through all training frames.",
    "Split": "A part of the dataset: train to learn from, val to score on, test without public "
    "annotations.",
}


def explain(*terms: str) -> str:
    """Markdown that explains these TERMS, one a paragraph."""
    return "\n\n".join(f"**{term}**: {TERMS[term]}" for term in terms)
