"""Files of `torch.save`: what is in them comes out, silently, and nothing in them is run."""

import pickle
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch

from cityseg.errors import ModelError
from cityseg.models.torch_files import WRAPPERS, load_torch_file, named_tensors, unwrapped

STATE = {"0.weight": torch.ones(2), "0.bias": torch.zeros(2)}


@pytest.mark.parametrize(
    "content",
    [
        STATE,
        {"state_dict": STATE, "epoch": 3},
        {"net": STATE, "optimizer": {"state": {}}},
        {"model": {"state_dict": STATE}},
        {"model": "unet", "state_dict": STATE},
        {"model": STATE, "params": {"other": torch.ones(1)}},
    ],
)
def test_a_state_dict_is_found_in_what_is_around_it(tmp_path: Path, content: Any) -> None:
    torch.save(content, tmp_path / "file.pth")
    found = named_tensors(load_torch_file(tmp_path / "file.pth", "cpu"))
    assert found.keys() == STATE.keys()
    assert all(torch.equal(found[name], STATE[name]) for name in STATE)


@pytest.mark.parametrize("content", [{}, {"epoch": 3}, [torch.ones(1)], torch.ones(1), 3])
def test_other_content_has_no_named_tensors(content: Any) -> None:
    assert named_tensors(content) == {}


def test_the_suffix_does_not_matter_and_meta_tensors_have_no_values(tmp_path: Path) -> None:
    torch.save(STATE, tmp_path / "file.safetensors")
    content = load_torch_file(tmp_path / "file.safetensors", "meta")
    assert {each.device.type for each in named_tensors(content).values()} == {"meta"}


def test_an_odd_file_is_refused_without_a_warning(tmp_path: Path) -> None:
    (tmp_path / "file.pkl").write_bytes(pickle.dumps({"path": tmp_path}, protocol=4))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with pytest.raises(pickle.UnpicklingError):
            load_torch_file(tmp_path / "file.pkl", "cpu")
    assert not caught


def test_torch_that_could_run_code_in_a_file_does_not_open_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.save(STATE, tmp_path / "file.pth")
    monkeypatch.setattr(torch, "__version__", "2.9.1+cpu")
    with pytest.raises(ModelError, match=r"2\.9\.1\+cpu could run code in it: install 2\.10"):
        load_torch_file(tmp_path / "file.pth", "cpu")


@pytest.mark.parametrize("wrappers", [*WRAPPERS, "module._orig_mod.", "model.net."])
def test_wrappers_of_all_names_are_taken_away(wrappers: str) -> None:
    assert unwrapped({f"{wrappers}{name}": name for name in STATE}) == {k: k for k in STATE}


@pytest.mark.parametrize("names", [(), ("module.a", "b"), ("module.a", "model.a")])
def test_names_that_share_no_wrapper_stay(names: tuple[str, ...]) -> None:
    assert unwrapped(dict.fromkeys(names)) == dict.fromkeys(names)
