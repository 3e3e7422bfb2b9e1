"""What a folder of runs must offer before jobs of other machines may write there."""

import errno
import fcntl
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from cityseg.errors import PlaceError
from cityseg.places import check_shared


def mounted(monkeypatch: pytest.MonkeyPatch, folder: Path, kind: str, options: str) -> None:
    """Pretend that `folder` is a file system of its own."""
    mounts = [
        SimpleNamespace(mountpoint="/", fstype="ext4", opts="rw"),
        SimpleNamespace(mountpoint=str(folder), fstype=kind, opts=options),
        SimpleNamespace(mountpoint=f"{folder}-other", fstype="tmpfs", opts="rw"),
    ]
    monkeypatch.setattr(psutil, "disk_partitions", lambda **_: mounts)


def test_a_folder_that_others_see_is_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mounted(monkeypatch, tmp_path, "nfs4", "rw,local_lock=none")
    (tmp_path / "runs").mkdir()
    assert check_shared(tmp_path / "runs") == (
        f"Locks and renames work in {tmp_path / 'runs'} (nfs4 at {tmp_path})."
    )
    assert not list((tmp_path / "runs").iterdir())


def test_a_folder_of_this_machine_is_fit_for_clusters_of_one_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounted(monkeypatch, tmp_path, "xfs", "rw")
    assert check_shared(tmp_path).endswith(
        f"(xfs at {tmp_path}), which is usually this machine's alone: jobs on other machines fail "
        "if they do not see that folder under the same path."
    )


@pytest.mark.parametrize("option", ["local_lock=all", "local_lock=flock", "nolock", "localflock"])
def test_locks_that_other_machines_do_not_see_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    mounted(monkeypatch, tmp_path, "nfs", f"rw,{option}")
    with pytest.raises(PlaceError, match=rf"\(nfs\) is mounted with {option}, so two machines"):
        check_shared(tmp_path)


def test_a_file_system_without_locks_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock(descriptor: int, kind: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    mounted(monkeypatch, tmp_path, "lustre", "rw")
    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(PlaceError, match=r"\(lustre\) has no locks, .* with the option flock"):
        check_shared(tmp_path)


def test_a_folder_without_renames_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def rename(path: Path, target: Path) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(Path, "rename", rename)
    with pytest.raises(PlaceError, match=r"cannot be written and renamed \(Invalid cross-device"):
        check_shared(tmp_path)
    assert not list(tmp_path.iterdir())
    with pytest.raises(PlaceError, match="cannot be written"):
        check_shared(tmp_path / "none")
