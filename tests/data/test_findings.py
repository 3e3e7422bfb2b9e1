"""Odd annotations are accepted with a warning; usual ones have none."""

import city
import numpy as np
import pytest
from PIL import Image

from cityseg.cli.main import main
from cityseg.data.dataset import find_frames
from cityseg.data.findings import has_odd_places, odd_void_shares
from cityseg.data.masks import convert
from cityseg.data.pixel_table import read_pixel_table
from cityseg.data.report import Report


def test_a_street_is_not_odd_and_upside_down_it_is():
    for seed in range(20):
        assert not has_odd_places(city.street(seed=seed))
        assert has_odd_places(city.street(seed=seed)[::-1])


def test_genuine_maps_are_not_odd(genuine):
    for frame in find_frames(genuine):
        assert not has_odd_places(np.array(Image.open(frame.label_ids)))


def test_a_share_of_void_far_from_the_rest_is_found():
    usual = np.zeros(34, np.int64)
    usual[[0, 7]] = [10, 90]
    mostly_void = np.zeros(34, np.int64)
    mostly_void[[0, 7]] = [90, 10]
    frames = {f"train/a/{number}": usual for number in range(12)}
    assert odd_void_shares(frames) == set()
    assert odd_void_shares({**frames, "train/a/x": mostly_void}) == {"train/a/x"}
    assert odd_void_shares({"train/a/0": usual, "train/a/x": mostly_void}) == set()


def test_much_ground_is_no_odd_share_of_void():
    usual, pedestrian_area = np.zeros((2, 34), np.int64)
    usual[[0, 7]] = [10, 90]
    pedestrian_area[[0, 6, 11]] = [10, 60, 30]
    frames = {f"train/a/{number}": usual for number in range(12)}
    assert odd_void_shares({**frames, "train/a/x": pedestrian_area}) == set()


def test_warnings_are_counted_in_the_report_and_stay_when_masks_are_kept(tmp_path, capsys):
    void = np.zeros(city.street().shape, np.uint8)
    city.write_frame(tmp_path, "ulm_0_0")
    city.write_frame(tmp_path, "ulm_1_0", label_ids=city.street()[::-1])
    city.write_frame(tmp_path, "ulm_2_0", label_ids=void)
    city.write_frame(tmp_path, "ulm_3_0", "test", label_ids=void)
    for reused in (0, 4):
        assert main(["convert", str(tmp_path)]) == 0
        report = Report.load(tmp_path / "masks")
        assert (report.reused, report.warnings) == (reused, {"odd_places": 1, "no_class": 1})
        assert "1 no_class: No pixel of the annotation" in capsys.readouterr().out
    warnings = {outcome.frame[-7:]: outcome.warnings for outcome in report.outcomes}
    assert warnings["ulm_1_0"] == ("odd_places",)
    assert warnings["ulm_2_0"] == ("no_class",)


def test_warnings_outlive_an_interruption(tmp_path):
    for number in range(4):
        label_ids = city.street()[:: -1 if number == 1 else 1]
        city.write_frame(tmp_path, f"ulm_{number}_0", label_ids=label_ids)

    def stop(done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    for _ in range(2):  # the second time, the warning is only that of a mask that was kept
        with pytest.raises(KeyboardInterrupt):
            convert(tmp_path, workers=1, progress=stop)
        assert read_pixel_table(tmp_path / "masks").keys() >= {"train/ulm/ulm_0_0"}
        report = convert(tmp_path)
        assert report.reused >= 3
        assert report.warnings == {"odd_places": 1}
    assert len(read_pixel_table(tmp_path / "masks")) == 4


@pytest.mark.parametrize("split", ["train", "val"])
def test_a_split_without_any_class_is_an_error(tmp_path, split, capsys):
    city.write_frame(tmp_path, "ulm_0_0", split, label_ids=np.zeros((64, 128), np.uint8))
    assert main(["convert", str(tmp_path)]) == 1
    assert f"No mask of {split} has a pixel of a class" in capsys.readouterr().err


def test_a_blank_test_split_is_no_finding(tmp_path):
    city.write_frame(tmp_path, "ulm_0_0", "test", label_ids=np.full((64, 128), 3, np.uint8))
    assert main(["convert", str(tmp_path)]) == 0
    assert convert(tmp_path).warnings == {}
