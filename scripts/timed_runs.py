"""How many epochs fit into a time, by the speed of a run of two epochs."""

from cityseg.runs import RunDir, epoch_rows


def epochs_within(trial: RunDir, seconds: float) -> int:
    """The epochs that fit into `seconds`, as the second one of `trial` took; 0 without a second.

    The first one is not counted on: it begins with the search for the fastest algorithms.
    """
    ends = [float(row["seconds"]) for row in epoch_rows(trial.metrics())]
    if len(ends) < 2:
        return 0
    return max(0, int(seconds / max(ends[1] - ends[0], 1e-3)))
