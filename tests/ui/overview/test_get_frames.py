"""Which paths can be unpacked, and the sentences about the others."""

import zipfile
from pathlib import Path

from cityseg.ui.overview.get_frames import find_problems, read_paths


def test_no_path_is_a_problem() -> None:
    assert find_problems([]) == ["No path was given: name at least one zip."]


def test_a_zip_is_no_problem(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w"):
        pass
    assert find_problems([tmp_path / "a.zip"]) == []


def test_each_path_that_is_no_zip_has_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "text.zip").write_text("no zip")
    assert find_problems([tmp_path / "text.zip", tmp_path / "nowhere.zip"]) == [
        f"{tmp_path}/text.zip is not a zip: check the path, or download the file again.",
        f"There is no file {tmp_path}/nowhere.zip: check the path.",
    ]


def test_lines_that_can_be_no_path_have_a_sentence(tmp_path: Path) -> None:
    lines = f"{tmp_path}/a.zip\n\n ~nosuchuser/b.zip\nc\0.zip\n{'d' * 5000}\n"
    paths, problems = read_paths(lines)
    assert paths == [tmp_path / "a.zip"]
    assert [problem.rpartition(" ")[2] for problem in problems] == ["it."] * 3
    assert problems[0] == "~nosuchuser/b.zip begins with the home of an unknown user: correct it."
