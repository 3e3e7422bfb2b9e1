"""Measure ours, the alternative and the floor side by side: `scripts/bench.py WHAT`."""

import argparse
import platform
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import bootstrap


def main() -> None:
    """Run one benchmark on the frames of a dataset, and say on what machine."""
    from cityseg.system import available_cores, wait_passively

    wait_passively()  # as trainings do; before anything imports torch
    import bench_app
    import bench_convert
    import bench_cost
    import bench_evaluate
    import bench_growth
    import bench_predict
    import bench_runs
    import bench_scaling
    import bench_score
    import bench_steps
    import bench_store
    import bench_train

    from cityseg.defaults import default_root

    def cost(dataset: Path, repeats: int) -> None:
        bench_growth.run(options.frames, options.plot_frames)
        bench_cost.run(dataset, repeats, options)

    benches: dict[str, Callable[[Path, int], None]] = {
        "app": bench_app.run,
        "convert": bench_convert.run,
        "cost": cost,
        "evaluate": bench_evaluate.run,
        "evidence": bench_evaluate.run_evidence,
        "frames": lambda _, __: bench_growth.run(options.frames, options.plot_frames),
        "predict": bench_predict.run,
        "runs": bench_runs.run,
        "scaling": lambda dataset, repeats: bench_scaling.run(dataset, repeats, options),
        "score": bench_score.run,
        "store": bench_store.run,
        "train": lambda dataset, repeats: bench_train.run(dataset, repeats, options),
    }
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=benches)
    parser.add_argument("--data", type=Path, default=default_root(), help="Cityscapes folder")
    parser.add_argument("--repeats", type=int, default=9, help="medians of this many [9]")
    parser.add_argument(
        "--frames",
        type=int,
        nargs="+",
        default=(1_000, 10_000, 100_000),
        help="frames of the datasets of cost and frames [1000 10000 100000]",
    )
    parser.add_argument(
        "--plot-frames",
        type=Path,
        default=bootstrap.ROOT / "docs" / "frames.png",
        help="picture that cost and frames write of them [docs/frames.png]",
    )
    bench_steps.add_options(parser)
    options = parser.parse_args()
    names = ("numpy", "opencv-python-headless", "pillow", "torch")
    versions = ", ".join(f"{name} {version(name)}" for name in names)
    print(f"{_processor()}, {available_cores()} cores, Python {platform.python_version()}")
    print(f"{versions}\n")
    benches[options.what](options.data, options.repeats)


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()


if __name__ == "__main__":
    bootstrap.enter("requirements-dev.txt")
    main()
