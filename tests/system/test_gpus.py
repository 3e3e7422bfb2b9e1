"""Which GPU a name means, and how busy it is, with a library in place of NVML that knows two."""

import sys
from types import SimpleNamespace

import pytest
from nvml import NVMLError, two_gpus

from cityseg.system.gpus import Meter, device_key, device_keys

__all__ = ["two_gpus"]


@pytest.mark.usefixtures("two_gpus")
@pytest.mark.parametrize(
    ("visible", "name", "key"),
    [
        (None, "cpu", "cpu"),
        (None, "auto", "gpu-aaaa-1"),
        (None, "cuda", "gpu-aaaa-1"),
        (None, "cuda:1", "gpu-bbbb-2"),
        (None, "cuda:7", "gpu-7"),
        ("1", "auto", "gpu-bbbb-2"),
        ("1,0", "cuda:1", "gpu-aaaa-1"),
        ("GPU-bbbb-2", "cuda:0", "gpu-bbbb-2"),
        ("gpu-bb", "auto", "gpu-bbbb-2"),
        ("MIG-aa/1", "auto", "gpu-mig-aa-1"),
        ("0,9,1", "cuda:1", "gpu-bbbb-2"),  # 9 hides what follows: there is no second one
        ("", "auto", "cpu"),
        ("-1", "auto", "cpu"),
    ],
)
def test_names_for_one_gpu_have_one_key(
    monkeypatch: pytest.MonkeyPatch, visible: str | None, name: str, key: str
) -> None:
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert device_key(name) == key


def test_without_gpus_or_without_nvml_auto_is_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)  # as if it were not installed
    assert device_key("auto") == "cpu"
    assert device_key("cuda:1") == "gpu-1"
    assert Meter("gpu-1").read() is None


@pytest.mark.usefixtures("two_gpus")
@pytest.mark.parametrize(
    ("name", "processes", "keys"),
    [
        ("auto", 2, ("gpu-aaaa-1", "gpu-bbbb-2")),
        ("cuda", 3, ("gpu-aaaa-1", "gpu-bbbb-2", "gpu-2")),
        ("cuda:1", 2, ("gpu-aaaa-1", "gpu-bbbb-2")),  # torchrun's numbers count, as in `Ranks`
        ("cuda:1", 1, ("gpu-bbbb-2",)),
        ("cpu", 2, ("cpu",)),
    ],
)
def test_several_processes_have_a_gpu_each_or_share_the_cpu(
    name: str, processes: int, keys: tuple[str, ...]
) -> None:
    assert device_keys(name, processes) == keys


@pytest.mark.usefixtures("two_gpus")
def test_a_meter_reads_the_gpu_with_its_key() -> None:
    assert Meter("gpu-bbbb-2").read() == {
        "utilisation": 50,
        "memory_used_bytes": 1,
        "memory_total_bytes": 80,
    }
    assert Meter("gpu-cccc-3").read() is None
    assert Meter("cpu").read() is None


QUESTIONS = ["Init", "DeviceGetCount", "DeviceGetHandleByIndex", "DeviceGetUUID"]


@pytest.mark.parametrize("question", [*QUESTIONS, "DeviceGetUtilizationRates"])
def test_what_nvml_refuses_is_unknown(two_gpus: SimpleNamespace, question: str) -> None:
    def refuse(*arguments: object) -> None:
        raise NVMLError

    setattr(two_gpus, f"nvml{question}", refuse)
    assert Meter("gpu-aaaa-1").read() is None
    if question in QUESTIONS:
        assert device_key("cuda:1") == "gpu-1"


@pytest.mark.parametrize("question", ["DeviceGetCount", "DeviceGetUUID"])
def test_other_errors_than_nvmls_are_raised(two_gpus: SimpleNamespace, question: str) -> None:
    def fail(*arguments: object) -> None:
        raise TypeError("wrong arguments")

    setattr(two_gpus, f"nvml{question}", fail)
    with pytest.raises(TypeError):
        device_key("cuda:1")
    with pytest.raises(TypeError):
        Meter("gpu-aaaa-1")
