"""The regions of a label map: contacts, borders, enclosure, thinness."""

import numpy as np

from cityseg.review.shapes import shapes_of

MAP = np.array(
    [
        [7, 7, 7, 7, 7, 7, 7],
        [7, 7, 7, 7, 7, 8, 8],
        [7, 7, 26, 7, 7, 8, 8],
        [7, 7, 26, 7, 7, 8, 8],
        [7, 7, 7, 7, 7, 7, 7],
    ],
    np.uint8,
)


def test_contacts_are_edges_to_pixels_of_each_label() -> None:
    shapes = shapes_of(MAP)
    road, sidewalk, car = ((shapes.components.values == label).argmax() for label in (7, 8, 26))
    assert shapes.contacts[car].nonzero()[0].tolist() == [7]
    assert shapes.contacts[car, 7] == 6
    assert shapes.contacts[road, [8, 26]].tolist() == [7, 6]
    assert shapes.contacts[sidewalk, 7] == 7
    assert shapes.surrounding[[car, sidewalk]].tolist() == [7, 7]


def test_a_region_is_enclosed_by_one_label_away_from_the_border() -> None:
    shapes = shapes_of(MAP)
    values = shapes.components.values
    assert values[shapes.is_enclosed].tolist() == [26]
    assert values[1:][shapes.at_border[1:]].tolist() == [7, 8]  # the first is no region


def test_a_region_is_thin_where_no_square_fits() -> None:
    shapes = shapes_of(MAP)
    assert shapes.components.values[shapes.is_thin][1:].tolist() == [7, 8, 26]
    square = np.full((5, 5), 7, np.uint8)
    square[1:4, 1:4] = 8
    shapes = shapes_of(square)
    assert shapes.components.values[shapes.is_thin][1:].tolist() == [7]
