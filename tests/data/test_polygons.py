"""Polygons: drawn exactly as the official label maps, and refused with a sentence if malformed."""

import json
import math
import tracemalloc
from pathlib import Path

import city
import numpy as np
import old_pillow
import pytest
from cityscapesscripts.helpers.annotation import Annotation
from cityscapesscripts.preparation import json2labelImg
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cityseg.data.annotations import read_label_ids
from cityseg.data.dataset import find_frames
from cityseg.data.polygons import parse_polygons, rasterise
from cityseg.errors import MaskError
from cityseg.labels import LABEL_OF_NAME, LABELS

#: Other work on the same cores must fail no test.
unhurried = settings(deadline=None)


def draw(content, label_map=None):
    path = Path("f.json")
    return rasterise(parse_polygons(content, path, label_map or {}), path)


def refusal(content):
    with pytest.raises(MaskError) as caught:
        draw(content)
    assert caught.value.reason == "bad_polygons"
    return caught.value.detail


# Equal to the official label maps


def test_no_pixel_of_genuine_frames_differs_from_the_official_label_maps(genuine):
    frames = [frame for frame in find_frames(genuine) if frame.polygons and frame.label_ids]
    if not frames:
        pytest.skip("No genuine frame has both polygons and label ids")
    for frame in frames[:: max(1, len(frames) // 24)]:
        with Image.open(frame.label_ids) as official:
            differing = np.count_nonzero(read_label_ids(frame.polygons) != np.array(official))
        assert differing == 0, frame.name


def official_label_ids(content):
    """What json2labelImg draws with the old Pillow."""
    annotation = Annotation()
    annotation.fromJsonText(content.decode())
    with old_pillow.drawing():
        return np.array(json2labelImg.createLabelImage(annotation, "ids"))


SIZE_HW = 24, 36
places = st.integers(-15, 50) | st.floats(-15, 50)
polygons = st.fixed_dictionaries(
    {
        "label": st.sampled_from([label.name + end for label in LABELS for end in ("", "group")]),
        "polygon": st.lists(st.tuples(places, places), max_size=8),
    },
    optional={"deleted": st.sampled_from([0, 1]), "verified": st.just(1)},
)


@unhurried
@given(st.lists(polygons, max_size=8))
def test_polygons_are_drawn_as_the_official_tool_drew_them(objects):
    content = city.polygons_file(*objects, size_hw=SIZE_HW)
    ours = draw(content)
    assert (ours.shape, ours.dtype) == (SIZE_HW, np.uint8)
    assert np.array_equal(ours, official_label_ids(content))


@unhurried
@given(st.lists(st.tuples(*[st.integers(-(2**24), 2**24)] * 2), min_size=2, max_size=6))
def test_far_vertices_are_drawn_as_the_official_tool_drew_them(outline):
    content = city.polygons_file({"label": "car", "polygon": outline}, size_hw=(6, 9))
    assert np.array_equal(draw(content), official_label_ids(content))


def square(label, left=0, right=9, **fields):
    return {"label": label, "polygon": [[left, 0], [right, 0], [right, 9], [left, 9]], **fields}


def drawn(*objects):
    """The label ids of the first row."""
    return draw(city.polygons_file(*objects, size_hw=(10, 10)))[0].tolist()


def test_a_square_keeps_its_right_edge_and_loses_its_lowest_row():
    content = city.polygons_file(
        {"label": "road", "polygon": [[1, 1], [3, 1], [3, 3], [1, 3]]}, size_hw=(5, 5)
    )
    assert draw(content).tolist() == [
        [0, 0, 0, 0, 0],
        [0, 7, 7, 7, 0],
        [0, 7, 7, 7, 0],
        [0, 0, 0, 0, 0],
        [0, 0, 0, 0, 0],
    ]


def test_later_polygons_cover_earlier_ones():
    assert drawn(square("road"), square("car", 5)) == [7] * 5 + [26] * 5


def test_a_deleted_polygon_is_not_drawn():
    assert drawn(square("road"), square("car", 5, deleted=1)) == [7] * 10


def test_a_deleted_object_may_be_anything():
    assert drawn(square("road"), {"deleted": 1}, {"deleted": 1, "label": "unicorn"}) == [7] * 10


def test_a_license_plate_is_not_drawn():
    assert drawn(square("car"), square("license plate", 5)) == [26] * 10


def test_a_group_is_drawn_as_its_class():
    assert drawn(square("cargroup")) == [26] * 10


def test_a_pole_group_is_a_label_of_its_own():
    assert drawn(square("polegroup")) == [18] * 10


def test_the_part_of_a_polygon_in_the_frame_is_drawn():
    assert drawn(square("road", -50, 4)) == [7] * 5 + [0] * 5


def test_what_no_polygon_covers_is_unlabeled():
    assert drawn() == [0] * 10


def test_the_size_of_polygons_is_the_annotated_one():
    assert draw(city.polygons_file(size_hw=(5, 7))).shape == (5, 7)


@pytest.mark.parametrize(
    ("points", "expected"),
    [([], [7] * 10), ([[3, 0]], [7] * 10), ([[3, 0], [3, 9]], [7] * 3 + [26] + [7] * 6)],
)
def test_no_point_and_one_draw_nothing_and_two_a_line(points, expected):
    assert drawn(square("road"), {"label": "car", "polygon": points}) == expected


# Names


def test_a_label_map_names_further_labels():
    label_map = {"Auto": LABEL_OF_NAME["car"], "Strasse": LABEL_OF_NAME["road"], "unicorn": None}
    objects = [square("Strasse"), square("Autogroup", 5), square("unicorn", 7)]
    found = draw(city.polygons_file(*objects, size_hw=(10, 10)), label_map)
    assert found[0].tolist() == [7] * 5 + [26] * 5


def test_a_label_map_goes_before_the_labels():
    found = draw(city.polygons_file(square("car")), {"car": LABEL_OF_NAME["bus"]})
    assert found[0, 0] == 28


@pytest.mark.parametrize("points", [[], [[3, 3]]])
def test_an_unknown_object_that_draws_nothing_costs_no_frame(points):
    found = drawn(square("road"), {"label": "unicorn", "polygon": points})
    assert found == drawn(square("road"))


def test_blanks_around_a_name_do_not_count():
    assert drawn(square(" road ")) == drawn(square("road"))


def test_all_unknown_names_of_a_frame_are_counted():
    content = city.polygons_file(square("Road"), square("unicorn"), square("Road"), square("car"))
    with pytest.raises(MaskError) as caught:
        draw(content)
    assert caught.value.names == {"Road": 2, "unicorn": 1}
    assert caught.value.detail == (
        "f.json has label names that Cityscapes does not have ('Road', perhaps road, 'unicorn'): "
        "assign labels to them in a label map"
    )


# What is refused


def road(*points):
    return city.polygons_file(square("car"), {"label": "road", "polygon": list(points)})


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"[]", "it is a list, not an object"),
        (b"5", "it is a number, not an object"),
        (b"null", "it is null, not an object"),
        (b'{"imgHeight": ', "it is no JSON from line 1, column 15"),
        (b"\xff\xfe\xfa", "it is no text"),
        (b"[" * 100_000, "it is nested too deeply"),
        (b'{"imgHeight": ' + b"9" * 5000 + b"}", "it has a number of thousands of digits"),
        (b" " * (1 << 25) + b"{}", "it is larger than 32 MB"),
        (b'{"objects": []}', "imgHeight is missing"),
        (b'{"imgHeight": 8, "imgWidth": 8}', "objects is missing"),
        (b'{"imgHeight": 8, "imgWidth": 8, "objects": null}', "objects is null, not a list"),
        (city.polygons_file(size_hw=("high", 8)), "imgHeight is no whole number"),
        (city.polygons_file(size_hw=(8, float("inf"))), "imgWidth is no whole number"),
        (city.polygons_file(size_hw=(8, float("nan"))), "imgWidth is no whole number"),
        (city.polygons_file(size_hw=([8], 8)), "imgHeight is a list, not a number"),
        (city.polygons_file(size_hw=(True, 8)), "imgHeight is true or false, not a number"),
        (city.polygons_file(size_hw=(10**300, 8)), "imgHeight is larger than that of any picture"),
        (city.polygons_file(square("car"), []), "object 2 of 2 is a list, not an object"),
        (city.polygons_file({"polygon": []}), "label of object 1 of 1 is missing"),
        (city.polygons_file(square(None)), "label of object 1 of 1 is null, not text"),
        (city.polygons_file({"label": "road"}), "polygon of object 1 of 1 (road) is missing"),
        (
            city.polygons_file({"label": "road", "polygon": "0 0"}),
            "polygon of object 1 of 1 (road) is text, not a list",
        ),
        (road(0, 0, 5, 5), "the polygon of object 2 of 2 (road) is no list of [x, y] pairs"),
        (road([0, 0, 0]), "the polygon of object 2 of 2 (road) is no list of [x, y] pairs"),
        (road({"x": 1}), "the polygon of object 2 of 2 (road) is no list of [x, y] pairs"),
        (
            road(["30", "64"]),
            "the polygon of object 2 of 2 (road) has a coordinate that is no number",
        ),
        (
            road([None, 0], [1, 1]),
            "the polygon of object 2 of 2 (road) has a coordinate that is no number",
        ),
        (
            road([math.nan, 0], [1, 1]),
            "the polygon of object 2 of 2 (road) has a coordinate that is no number",
        ),
        (
            road([[[[0]]], 0]),
            "the polygon of object 2 of 2 (road) has a coordinate that is no number",
        ),
        *(
            (
                road([0, 0], [place, 5]),
                "the polygon of object 2 of 2 (road) has a vertex far outside the frame",
            )
            for place in (math.inf, -math.inf, 10**30, 10**400, -(2**63), 2**64)
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_refusal_says_what_is_wrong_and_of_which_object(content, fault):
    expected = f"f.json is no Cityscapes polygons file ({fault}): correct it or fetch it again"
    assert refusal(content) == expected


def test_a_labelme_file_is_recognised():
    content = {
        "version": "5.0",
        "shapes": [{"label": "road", "points": [[0, 0], [5, 0], [5, 5]]}],
        "imageHeight": 128,
        "imageWidth": 256,
    }
    assert refusal(json.dumps(content).encode()) == (
        "f.json is a labelme file (shapes with points): convert it to Cityscapes polygons "
        "(imgHeight, imgWidth, and objects with label and polygon)"
    )


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ({"version": "5.0", "imagePath": "a.png", "imageData": None}, "a labelme file"),
        ({"images": [], "annotations": [], "categories": []}, "a COCO file (images, annotations"),
        ({"type": "FeatureCollection", "features": []}, "a GeoJSON file"),
        ({"_via_settings": {}, "_via_img_metadata": {}}, "a file of the VGG Image Annotator"),
        ({"size": {}, "objects": [{"classTitle": "car"}]}, "a Supervisely file"),
        ([{"id": 1, "annotations": []}], "an export of Label Studio"),
    ],
)
def test_files_of_other_tools_are_recognised(fields, what):
    assert refusal(json.dumps(fields).encode()).startswith(f"f.json is {what}")


def test_a_size_of_digits_in_quotes_is_read_as_the_official_tool_does():
    content = city.polygons_file(size_hw=("5", 7.0))
    assert draw(content).shape == official_label_ids(content).shape == (5, 7)


@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_refused(content):
    refusal(content)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda children: (
        st.lists(children, max_size=4)
        | st.dictionaries(st.sampled_from(["label", "polygon", "deleted", "x"]), children)
    ),
    max_leaves=12,
)
objects = st.fixed_dictionaries(
    {}, optional={"label": st.just("car") | json_values, "polygon": json_values}
)


@unhurried
@given(
    st.fixed_dictionaries(
        {},
        optional={
            "imgHeight": st.integers(-9, 99) | json_values,
            "imgWidth": st.integers(-9, 99) | json_values,
            "objects": st.lists(objects, max_size=4) | json_values,
        },
    )
)
def test_arbitrary_json_is_drawn_or_refused_without_words_of_python(tmp_path_factory, annotation):
    path = tmp_path_factory.getbasetemp() / "arbitrary.json"
    fault = fault_of(city.write(path, json.dumps(annotation).encode()))
    if fault:
        assert fault.reason in ("bad_polygons", "unknown_label", "too_large")
        assert not any(word in fault.detail for word in ("Error", "Traceback", "NoneType"))


def fault_of(path):
    """The error that reading ends with, if any."""
    try:
        read_label_ids(path)
    except MaskError as error:
        return error
    return None


def test_outlines_that_wind_without_end_are_refused_before_memory_is_taken():
    zigzag = [[x, y] for x in range(5000) for y in (0, 8000)]
    content = city.polygons_file({"label": "car", "polygon": zigzag}, size_hw=(4000, 4000))
    tracemalloc.start()
    assert refusal(content) == (
        "f.json has outlines that cross 40,000,000 rows, far more than any frame: simplify them"
    )
    assert tracemalloc.get_traced_memory()[1] < 1 << 27
    tracemalloc.stop()


def test_one_long_text_among_many_vertices_takes_no_memory():
    content = road(*[[0, 0]] * 50_000, ["9" * 1_000_000, 0])  # as an array of text: 400 GB
    assert "no number" in refusal(content)
