"""Tests that start jobs share the fixtures of `job_fixtures`, those of tracking `wandb_world`."""

from job_fixtures import by_hand, queues, runs
from wandb_world import black_hole, closed_port, no_account, server, stand_in
from webhook import webhook

__all__ = [
    "black_hole",
    "by_hand",
    "closed_port",
    "no_account",
    "queues",
    "runs",
    "server",
    "stand_in",
    "webhook",
]
