"""What the terms of the pages mean, for the `help` of the elements that use them."""

from collections.abc import Mapping
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
    "Mean IoU by frame": "Also called mIoU-I: the mean IoU of single frames, first averaged over "
    "the classes of a frame, then over the frames. Each frame counts the same.",
    "Mean IoU over frames": "Also called mIoU-C: the mean IoU of single frames, first averaged "
    "over the frames of a class, then over the classes. Each class counts the same.",
    "Worst frames": "The mean IoU of the 1, 5 or 10% of the frames with the lowest one: how bad it "
    "gets.",
    "Boundary IoU": "As IoU, but only of the pixels near the contours of each class, within 0.5% "
    "of the diagonal: how well edges are met.",
    "ECE": "Expected calibration error: how far the confidence is from the share of pixels that "
    "are right, on average. 0% is perfect.",
    "Interval": "With other frames of the same sort, the score would lie within these bounds in 95 "
    "of 100 cases. A thousand sets of frames are drawn at random, with repetition, to find out.",
    "Confidence": "The probability that the network gives the class that it predicts, 0–100%.",
    "Boundary error": "A wrong pixel close to right ones on both sides of a contour: the contour "
    "is a little off.",
    "Extent error": "A wrong pixel of an object that was found, but too small or too large.",
    "Segment error": "A wrong pixel of a whole object that was missed, or that is not there.",
    "Reliability": "The share of right pixels against the confidence: on the diagonal, the network "
    "is right as often as it claims; below it, it claims too much.",
    "Risk and coverage": "If only the pixels with the highest confidence are answered: the share "
    "that is answered, and the share of those that is wrong.",
    "Corruption": "A way to make pictures worse, such as fog or noise, with a severity of 1 to 5. "
    "The annotation stays as it is.",
    "Performance under corruption": "Also called mPC: the IoU averaged over the corruptions, each "
    "first averaged over its severities.",
    "Relative performance under corruption": "Also called rPC: mPC divided by the IoU of the "
    "frames as they are. 100% means that nothing was lost.",
    "Confusion": "A table of the annotated class against the predicted one: what is off the "
    "diagonal is an error.",
    "Label id": "The number of a label in the files of Cityscapes, 0–33.",
    "Train id": "The number of one of the 19 classes that networks learn, 0–18.",
    "255": "The value of ignored pixels in a mask: nothing is learned from them, and they are not "
    "scored.",
    "Void": "Labels that are no class, such as ego vehicle or static; their pixels are ignored.",
    "Mask": "A picture whose pixels are train ids, or 255: what networks learn from.",
    "EMA": "Exponential moving average: the weights averaged over the latest steps, often a "
    "little better than those of the last step.",
    "Epoch": "One pass through all training frames.",
    "Split": "A part of the dataset: train to learn from, val to score on, test without public "
    "annotations.",
}

#: What labels mean whose names do not say so, after the label policy of Cityscapes.
LABELS: Final = {
    "unlabeled": "What no other label fits, or what was too unclear to annotate.",
    "ego vehicle": "The car that carries the camera.",
    "rectification border": "The edge that straightening the picture left empty.",
    "out of roi": "Outside of the region that was annotated.",
    "static": "Other things that stand, such as bins, or are too small to tell.",
    "dynamic": "Other things that can move, such as prams, bags and animals.",
    "ground": "Other level ground, such as traffic islands and what cars share with pedestrians.",
    "parking": "Places to park in, apart from the lane.",
    "rail track": "Tracks that cars cannot drive on, such as those of trains.",
    "wall": "A wall that stands by itself, not that of a building.",
    "guard rail": "Metal structures along the side of a road.",
    "polegroup": "Several poles too close to each other to be told apart.",
    "vegetation": "Trees, hedges, and whatever else grows upwards.",
    "terrain": "Grass, soil and sand beside the road: ground that nobody drives or walks on.",
    "person": "A human who walks, stands or sits, and does not ride.",
    "rider": "A human on a bicycle, a motorcycle or the like.",
    "car": "Also jeeps, vans and pick-ups.",
    "caravan": "A vehicle to live in, also one that is drawn by a car.",
    "trailer": "Without the vehicle that draws it.",
    "train": "Also trams.",
    "motorcycle": "Without its rider, as is a bicycle.",
}


def explain(*terms: str) -> str:
    """Markdown that explains these TERMS, one a paragraph."""
    return _paragraphs({term: TERMS[term] for term in terms})


def explain_labels(*names: str) -> str:
    """Markdown that explains these LABELS, one a paragraph."""
    return _paragraphs({name: LABELS[name] for name in names})


def _paragraphs(explanations: Mapping[str, str]) -> str:
    return "\n\n".join(f"**{name}**: {text}" for name, text in explanations.items())
