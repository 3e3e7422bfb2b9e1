"""Tests that start jobs share the fixtures of `job_fixtures`, those of tracking `wandb_world`."""

from job_fixtures import by_hand, queues, runs
from wandb_world import no_account, server, stand_in

__all__ = ["by_hand", "no_account", "queues", "runs", "server", "stand_in"]
