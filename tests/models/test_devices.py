"""Devices by name, and the precision that is chosen for them."""

import pytest
import torch

from cityseg.errors import ConfigError
from cityseg.models.devices import resolve_device, uses_bfloat16


@pytest.mark.parametrize(
    ("abilities", "automatic"),
    [({"avx512_bf16": True}, True), ({"amx_bf16": True}, True), ({"avx512_f": True}, False)],
)
def test_automatic_precision_is_bfloat16_on_cpus_that_multiply_it(
    monkeypatch: pytest.MonkeyPatch, abilities: dict[str, bool], automatic: bool
) -> None:
    cpu = torch.device("cpu")
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: abilities)
    assert [uses_bfloat16(amp, cpu) for amp in ("auto", "off", "bf16")] == [automatic, False, True]


def test_a_torch_that_does_not_know_the_cpu_uses_float32(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(torch.cpu, "get_capabilities")
    assert not uses_bfloat16("auto", torch.device("cpu"))


def test_a_gpu_that_is_not_there_is_a_config_error() -> None:
    with pytest.raises(
        ConfigError, match=r"device is cuda:99, but this machine has \d+ CUDA devices"
    ):
        resolve_device("cuda:99")


@pytest.mark.parametrize("name", ["gpu", "cuda:x", "mps", "", "cpu\n"])
def test_a_device_of_another_name_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="choose auto, cpu, cuda or cuda:N"):
        resolve_device(name)


def test_a_device_is_found_by_itself() -> None:
    assert resolve_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert resolve_device("cpu") == torch.device("cpu")
