"""Charts as SVG: well-formed, with every curve inside the frame, and no markup from names."""

import re
from xml.etree import ElementTree

import pytest

from cityseg.export.charts import Point, line_chart
from cityseg.export.document import Drawing, Heading, as_html

NAMESPACE = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize(
    "points",
    [
        [(1.0, 2.0), (2.0, 1.0), (3.0, 0.5)],
        [(1.0, 0.25)],  # one epoch
        [(1.0, 0.0), (2.0, 0.0)],
        [(1.0, 1e6), (1000.0, 1e-6)],
    ],
)
@pytest.mark.parametrize("diagonal", [False, True])
def test_all_points_lie_inside(points: list[Point], diagonal: bool) -> None:
    if diagonal:
        points = [(x / 1000, min(y, 1.0)) for x, y in points]
    root = ElementTree.fromstring(line_chart({"a": points}, "x", "y", diagonal=diagonal))  # noqa: S314
    circles = root.findall(f"{NAMESPACE}circle")
    assert len(circles) == len(points)
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    for circle in circles:
        assert 0 < float(circle.attrib["cx"]) < width
        assert 0 < float(circle.attrib["cy"]) < height


def test_higher_values_stand_higher_and_later_ones_to_the_right() -> None:
    svg = line_chart({"a": [(1, 0.5), (2, 1.0)]}, "x", "y")
    places = re.findall(r'cx="([\d.]+)" cy="([\d.]+)"', svg)
    (left, low), (right, high) = [(float(x), float(y)) for x, y in places]
    assert left < right
    assert low > high


@pytest.mark.parametrize(
    ("most", "labels"),
    [
        (3.0711, ["0", "1", "2", "3", "4"]),
        (0.01253, ["0", "0.005", "0.01", "0.015"]),
        (0.6, ["0", "0.2", "0.4", "0.6"]),
        (9.9, ["0", "2", "4", "6", "8", "10"]),
        (1.0, ["0", "0.2", "0.4", "0.6", "0.8", "1"]),
        (0.0, ["0", "0.2", "0.4", "0.6", "0.8", "1"]),
    ],
)
def test_the_ticks_of_values_are_round(most: float, labels: list[str]) -> None:
    root = ElementTree.fromstring(line_chart({"a": [(1, most)]}, "x", "y"))  # noqa: S314
    texts = root.findall(f"{NAMESPACE}text")
    assert [each.text for each in texts if each.attrib["text-anchor"] == "end"] == labels


def test_a_chart_is_dark_on_white_unless_a_page_says_otherwise() -> None:
    chart = line_chart({"a": [(1, 1)]}, "x", "y")
    root = ElementTree.fromstring(chart)  # noqa: S314
    texts = list(root.iter(f"{NAMESPACE}text"))
    assert {each.attrib["fill"] for each in texts if each.text != "a"} == {"currentColor"}
    assert root.attrib["color"] == "#111111"
    background = root[0]
    assert (background.tag, background.attrib["fill"]) == (f"{NAMESPACE}rect", "white")
    page = as_html([Heading("t", 1), Drawing(chart, "a")], "")
    assert "svg{color:inherit}svg>rect{fill:none}" in page


def test_names_are_text() -> None:
    svg = line_chart({"<script>": [(1, 1)]}, "<x>", "&")
    texts = [each.text for each in ElementTree.fromstring(svg).iter(f"{NAMESPACE}text")]  # noqa: S314
    assert {"<script>", "<x>", "&"} <= set(texts)
