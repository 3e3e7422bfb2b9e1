"""Memory and time of a run before it starts."""

from cityseg.estimates.estimate import (
    Estimate,
    earlier_speed,
    estimate_run,
    gigabytes,
    plan_stores,
    room_on,
    trial_speed,
)
from cityseg.estimates.step_cost import StepCost, measure_step

__all__ = [
    "Estimate",
    "StepCost",
    "earlier_speed",
    "estimate_run",
    "gigabytes",
    "measure_step",
    "plan_stores",
    "room_on",
    "trial_speed",
]
