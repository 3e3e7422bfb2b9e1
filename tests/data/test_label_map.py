"""Label maps: the forms that are read, what is refused, and which label a name seems to mean."""

from pathlib import Path

import pytest

from cityseg.data.label_map import load_label_map, nearest_label, unknown_names_message
from cityseg.errors import DatasetError
from cityseg.labels import LABEL_OF_NAME


def load(folder: Path, content: str | bytes) -> dict[str, str | None]:
    """The map in a file with that content, with the labels' names."""
    path = folder / "map.txt"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return {name: label and label.name for name, label in load_label_map(path).items()}


@pytest.mark.parametrize(
    "content",
    [
        "# names of a tool\n\nRoad = road\n a=b =traffic light\nunicorn= ignore\n",
        "\ufeffRoad=road\r\na=b=traffic light\r\nunicorn=ignore",
        '{"Road": "road", "a=b": "traffic light", "unicorn": "ignore"}',
        '\n {"Road": "road",\n "a=b": "traffic light", "unicorn": "ignore"}\n',
    ],
)
def test_json_and_lines_are_read(tmp_path: Path, content: str) -> None:
    assert load(tmp_path, content) == {"Road": "road", "a=b": "traffic light", "unicorn": None}


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("Road", "Line 1 of the label map {} is 'Road': write a name, =, and a label"),
        ("a = car\nRoad =", "Line 2 of the label map {} is 'Road =': write a name, =, and a label"),
        ("= road", "Line 1 of the label map {} is '= road': write a name, =, and a label"),
        (
            "Road = road\nRoad = car",
            "The label map {} assigns two labels to 'Road', 'road' and 'car': keep one of them",
        ),
        ('{"Road": ', "The label map {} is no valid JSON: correct it"),
        ('{"a":' * 99_999, "The label map {} is no valid JSON: correct it"),
        (
            '{"Road": 7}',
            "The label map {} assigns no name to 'Road': write a label's name in quotes",
        ),
        (b"\xff\xfe\xfa", "The label map {} cannot be read (it is no UTF-8 text): check it"),
        (
            "x = Traffic_light",
            "The label map {} maps 'x' to 'Traffic_light', which is no Cityscapes label (traffic "
            f"light?): choose ignore or one of {', '.join(LABEL_OF_NAME)}",
        ),
        (
            "x = street",
            "The label map {} maps 'x' to 'street', which is no Cityscapes label: choose ignore or "
            f"one of {', '.join(LABEL_OF_NAME)}",
        ),
    ],
)
def test_anything_else_is_refused_with_a_sentence(
    tmp_path: Path, content: str | bytes, fault: str
) -> None:
    with pytest.raises(DatasetError) as caught:
        load(tmp_path, content)
    assert str(caught.value) == fault.format(tmp_path / "map.txt")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        DatasetError, match=r"none cannot be read \(No such file or directory\): check it"
    ):
        load_label_map(tmp_path / "none")


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("Road", "road"),
        ("traffic_light", "traffic light"),
        ("Traffic-Sign", "traffic sign"),
        ("trafficLight", "traffic light"),
        ("cars", "car"),
        ("Cargroup", "car"),
        ("PoleGroup", "polegroup"),
        ("vegitation", "vegetation"),
        ("unicorn", None),
        ("", None),
        ("___", None),
        ("car" * 1_000_000, None),
    ],
)
def test_the_nearest_label_of_a_name(name: str, label: str | None) -> None:
    assert nearest_label(name) == label


def test_unknown_names_are_listed_by_count_with_the_nearest_label() -> None:
    lines = unknown_names_message({"unicorn": 3, "Road": 1200}).splitlines()
    assert lines[1:3] == ["   1,200 'Road', perhaps road", "       3 'unicorn'"]
    assert lines[3].endswith("convert again with --label-map FILE")


def test_endless_names_are_cut() -> None:
    message = unknown_names_message({f"{number}" * 1000: 1 for number in range(5000)})
    assert "and 4,980 more" in message
    assert len(message) < 2000


def test_a_device_without_an_end_and_a_large_file_are_no_label_map(tmp_path: Path) -> None:
    (tmp_path / "large.txt").write_text("x" + "ü" * (1 << 20))
    for path in (Path("/dev/zero"), tmp_path / "large.txt"):
        with pytest.raises(DatasetError, match="is too large for a label map"):
            load_label_map(path)
