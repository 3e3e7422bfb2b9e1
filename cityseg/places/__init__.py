"""Places beyond this machine where commands run: what a cluster is asked, and what it answers.

    for name in configured_places(): ...       # "slurm", "ray": sections of places.toml
    engine = engine_at("slurm")                # a SlurmEngine with the settings of that section
    job = engine.submit(Work("a name", command, folder))
    Reports(engine).of(job)                    # a Report: waiting, running or ended, and why

Nothing here knows what a command does. The folder of its files lies on a path that all machines of
the cluster share.
"""

from cityseg.places.engine import EXIT_AGAIN, Engine, Report, Stage, Work
from cityseg.places.ray_jobs import RayEngine
from cityseg.places.reports import Reports
from cityseg.places.settings import (
    CONFIG_VARIABLE,
    LOCAL,
    PLACES,
    configured_places,
    read_places,
    settings_file,
)
from cityseg.places.shared_folder import check_shared
from cityseg.places.slurm import SlurmEngine

__all__ = [
    "CONFIG_VARIABLE",
    "EXIT_AGAIN",
    "LOCAL",
    "PLACES",
    "Engine",
    "RayEngine",
    "Report",
    "Reports",
    "SlurmEngine",
    "Stage",
    "Work",
    "check_shared",
    "configured_places",
    "engine_at",
    "read_places",
    "settings_file",
]


def engine_at(name: str) -> Engine:
    """The engine called `name`, with its settings; raises ConfigError if it is not configured."""
    places = read_places()
    if name == "slurm" and places.slurm is not None:
        return SlurmEngine(places.slurm)
    if name == "ray" and places.ray is not None:
        return RayEngine(places.ray)
    raise places.not_configured(name)
