"""Whether a path can be written to is known before the work, and finding out leaves no trace."""

from pathlib import Path

import pytest

from cityseg.errors import CitysegError
from cityseg.system.outputs import check_output_file, check_output_folder


@pytest.mark.parametrize("name", ["here", "new", "new/and/deep", "link"])
def test_a_folder_that_can_be_written_to_passes_and_stays_as_it_is(
    tmp_path: Path, name: str
) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "link").symlink_to("here")
    check_output_folder(tmp_path / name)
    check_output_file(tmp_path / name / "file.json")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["here", "link"]


def test_a_relative_path_is_checked_where_it_lies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    check_output_folder(Path("new/folder"))
    Path("file").touch()
    with pytest.raises(CitysegError, match=r"^Cannot write to file/below: Not a directory at /"):
        check_output_folder(Path("file/below"))


def test_a_file_in_place_of_a_folder_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    for folder in (file, file / "below", file / "far" / "below"):
        with pytest.raises(CitysegError) as caught:
            check_output_folder(folder)
        assert str(caught.value) == (
            f"Cannot write to {folder}: Not a directory at {file}; choose another folder"
        )


def test_a_folder_in_place_of_a_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CitysegError, match=r"it is a folder; name a file in it$"):
        check_output_file(tmp_path)


def test_a_link_to_nowhere_is_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(CitysegError, match=r"No such file or directory at .*link; choose"):
        check_output_folder(tmp_path / "link" / "below")


def test_a_file_system_that_takes_no_files_is_refused_even_for_root() -> None:
    with pytest.raises(CitysegError, match=r"^Cannot write to /proc/new: .* at /proc; choose"):
        check_output_file(Path("/proc/new/scores.json"))
