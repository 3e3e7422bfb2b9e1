"""The memory of devices."""

from cityseg.estimates.memory import device_memory


def test_the_memory_of_this_machine_is_known() -> None:
    memory = device_memory("cpu")
    assert memory
    assert 0 < memory.free_bytes <= memory.total_bytes


def test_the_memory_of_a_gpu_that_is_not_here_is_not_known() -> None:
    assert device_memory("gpu-of-another-machine") is None
