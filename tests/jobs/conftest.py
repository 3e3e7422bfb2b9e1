"""Tests that start jobs share the fixtures of `job_fixtures`."""

from job_fixtures import _all_trainers, by_hand, queues, runs

__all__ = ["_all_trainers", "by_hand", "queues", "runs"]
