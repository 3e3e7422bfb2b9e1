"""Memory, disk space and time of a training run before it starts; imports no torch.

`estimates.measure` takes the measurements. It loads torch, and runs in a process of its own.
"""

from cityseg.estimates.estimate import Estimate, estimate_run, plan_stores
from cityseg.estimates.memory import DeviceMemory, device_memory
from cityseg.estimates.rough import relative_time, rough_cost, rough_speed
from cityseg.estimates.speed import Speed, earlier_speed, trial_speed
from cityseg.estimates.step_cost import StepCost, measure_step

__all__ = [
    "DeviceMemory",
    "Estimate",
    "Speed",
    "StepCost",
    "device_memory",
    "earlier_speed",
    "estimate_run",
    "measure_step",
    "plan_stores",
    "relative_time",
    "rough_cost",
    "rough_speed",
    "trial_speed",
]
