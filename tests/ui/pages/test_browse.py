"""The page Browse without a browser: its filters, and the frames that the viewer gets.

Also tests: ui/review/states.
"""

import json
from pathlib import Path
from typing import Any

import city
import numpy as np
import pytest
from streamlit.testing.v1 import AppTest
from waiting import PATIENCE_SECONDS

from cityseg.data.dataset import find_frames
from cityseg.data.masks import convert
from cityseg.defaults import DATASET_VARIABLE
from cityseg.review import (
    Region,
    TagChange,
    Verdict,
    annotation_digest,
    append,
    ledger_file,
)
from cityseg.ui import cached

MAIN = Path(__file__).parents[3] / "cityseg" / "ui" / "pages" / "main.py"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The session's dataset folder, which is not there yet."""
    root = tmp_path / "city"
    monkeypatch.setenv(DATASET_VARIABLE, str(root))
    cached.forget_frames()
    return root


def browse(**address: str) -> AppTest:
    app = AppTest.from_file(MAIN, default_timeout=PATIENCE_SECONDS)
    for name, value in address.items():
        app.query_params[name] = value
    return app.switch_page("browse.py").run()


def shown(app: AppTest) -> dict[str, Any]:
    """What the viewer was given."""
    components = app.get("bidi_component")
    (viewer,) = (each for each in components if each.proto.component_name == "cityseg_viewer")
    data: dict[str, Any] = json.loads(viewer.proto.json)
    return data


def test_without_a_dataset_the_page_says_so_and_where_to_go(root: Path) -> None:
    app = browse()
    assert not app.exception
    assert "There is no folder" in app.info[0].value.replace("\\", "")
    assert app.title[0].value == "Browse"


def test_before_a_conversion_frames_are_shown_and_classes_are_off(root: Path) -> None:
    city.write_frame(root, "town_000000_000019")
    app = browse()
    assert shown(app)["gallery"]["names"] == ["train/town/town_000000_000019"]
    assert app.selectbox(key="sort").disabled
    assert "Classes are known once the frames are converted." in [c.value for c in app.caption]


def test_filters_decide_what_is_shown(root: Path) -> None:
    for split, stem in (("train", "town_000000_000019"), ("val", "ville_000000_000019")):
        city.write_frame(root, stem, split)
    convert(root)
    app = browse()
    assert len(shown(app)["gallery"]["names"]) == 2
    app.text_input(key="text").set_value("VILLE").run()
    assert shown(app)["gallery"]["names"] == ["val/ville/ville_000000_000019"]
    app.selectbox(key="class").set_value("train").run()
    assert shown(app)["gallery"]["names"] == []
    (reset,) = [button for button in app.button if button.label == "Reset filters"]
    reset.click().run()
    assert len(shown(app)["gallery"]["names"]) == 2
    assert app.text_input(key="text").value == ""
    assert app.selectbox(key="class").value is None
    assert not any(button.label == "Reset filters" for button in app.button)


def test_only_splits_that_have_frames_are_offered(root: Path) -> None:
    city.write_frame(root, "town_000000_000019", "val")
    (splits,) = [each for each in browse().button_group if each.key == "split"]
    assert list(splits.options) == ["val"]


def test_a_skipped_frame_says_why(root: Path) -> None:
    city.write_frame(root, "town_000000_000019")
    broken = city.annotation_path(root, "town_000000_000019")
    broken.write_bytes(broken.read_bytes()[:-20])
    convert(root)
    assert shown(browse())["gallery"]["notes"] == ["No mask. The annotation's file ends too early."]


def test_annotations_of_unclear_encoding_are_explained_and_photos_stay(root: Path) -> None:
    binary = (city.street() == city.ROAD).astype(np.uint8)
    city.write_frame(root, "town_000000_000019", label_ids=binary)
    app = browse()
    (warning,) = app.warning
    assert "a mask of one label" in warning.value
    assert "choose it on the page Masks" in warning.value
    assert shown(app)["gallery"]["kinds"] == ["image", "thumbnail"]


def test_warnings_of_a_frame_are_notes_beside_it(root: Path) -> None:
    for number in range(1, 3):
        city.write_frame(root, f"town_{number:06}_000019")
    city.write_frame(root, "town_000000_000019", label_ids=city.street()[::-1])
    convert(root)
    (note,) = shown(browse(problem="Odd places"))["gallery"]["notes"]
    assert note == "Classes lie at impossible places, such as road above sky: check the encoding."


def test_frames_are_filtered_by_what_was_said_of_their_regions(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CITYSEG_RUNS", str(root.parent / "runs"))
    for number in range(3):
        city.write_frame(root, f"town_00000{number}_000019")
    frames = find_frames(root)
    region = Region.of(np.ones((2, 3), np.bool_))
    given = {"reviewer": "Ada", "region": region, "truth": "car"}
    said = [("wrong_label", annotation_digest(frames[0])), ("unclear", "f" * 16)]
    append(
        ledger_file(root, root.parent / "runs"),
        [
            Verdict.model_validate(
                {**given, "frame": frame.name, "verdict": verdict, "annotation": digest}
            )
            for frame, (verdict, digest) in zip(frames, said, strict=False)
        ],
    )
    gallery = shown(browse())["gallery"]
    assert len(gallery["names"]) == 3
    assert gallery["notes"] == [
        "1 region judged: wrong label 1",
        "1 region judged: stale verdict 1",
        "",
    ]
    assert gallery["reviewed"]["address"].startswith("reviewed/")
    assert {
        name: [each["stale"] for each in rows]
        for name, rows in gallery["reviewed"]["judged"].items()
    } == {
        frames[0].name: [False],
        frames[1].name: [True],
    }
    assert shown(browse(reviewed="Wrong label"))["gallery"]["names"] == [frames[0].name]
    assert shown(browse(reviewed="Stale verdict"))["gallery"]["names"] == [frames[1].name]
    app = browse(reviewed="Unclear")  # on an annotation that there is no more
    assert shown(app)["gallery"]["names"] == []
    (reset,) = (each for each in app.button if each.label == "Reset filters")
    assert len(shown(reset.click().run())["gallery"]["names"]) == 3


def test_frames_are_filtered_by_their_tags(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CITYSEG_RUNS", str(root.parent / "runs"))
    names = []
    for number in range(3):
        city.write_frame(root, f"town_00000{number}_000019")
        names.append(f"train/town/town_00000{number}_000019")
    ledger = ledger_file(root, root.parent / "runs")
    tags = {names[0]: "night", names[1]: "wet road"}
    append(ledger, [TagChange(reviewer="Ada", frame=f, tag=t) for f, t in tags.items()])
    app = browse()
    gallery = shown(app)["gallery"]
    assert gallery["reviewed"] is None
    assert gallery["tags"] == ["night", "wet road", ""]
    assert shown(app)["tagging"] == {"known": ["night", "wet road"], "confirmed": []}
    app = app.multiselect(key="tag").set_value(["night", "wet road"]).run()
    assert shown(app)["gallery"]["names"] == names[:2]
    assert shown(browse(tag="wet road"))["gallery"]["names"] == [names[1]]
    with ledger.open("a") as file:
        file.write("damage\n")
    warnings = [each.value for each in browse().warning]
    assert "1 of 3 lines" in warnings[0]
