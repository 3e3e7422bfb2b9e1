"""Build a TrainConfig from a preset and given values, or say in sentences what keeps it from being
built."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from cityseg.config.problems import as_sentence, name_value, problems_by_setting
from cityseg.config.settings import HIGHEST_RATE, TrainConfig
from cityseg.errors import ConfigError
from cityseg.presets import PRESETS
from cityseg.system import SMALL, JsonError, described, parse_json, read_regular_file

#: A run's copy of the file that `exclude` names, beside its config.json.
EXCLUDED: Final = "exclude.txt"
#: A run's copy of the verdicts of the ledger that `review` names that are "wrong_label".
REVIEWED: Final = "review.jsonl"


def make_config(values: Mapping[str, Any], preset: str = "reference") -> TrainConfig:
    """Build a TrainConfig from `preset` and `values` on top of it (strings are parsed).

    Unless `values` has a learning rate, it follows a batch size in `values` (`followed_rate`).
    Raises ConfigError, which names each invalid setting, the value found, and what is allowed.
    """
    try:
        return _build(values, preset)
    except ValidationError as error:
        problems = problems_by_setting(error)
    sentences = (name_value(name, values) + problem for name, problem in problems.items())
    raise ConfigError(". ".join(sentences))


def find_problems(values: Mapping[str, Any], preset: str = "reference") -> dict[str, str]:
    """A sentence for each setting that keeps `make_config` from building a TrainConfig.

    Empty if nothing does. Settings that are valid alone but not together are under "".
    """
    try:
        _build(values, preset)
    except ValidationError as error:
        return {name: as_sentence(text) for name, text in problems_by_setting(error).items()}
    return {}


def _build(values: Mapping[str, Any], preset: str) -> TrainConfig:
    if preset not in PRESETS:
        raise ConfigError(f"No preset is called {preset!r}: choose from {', '.join(PRESETS)}")
    settings = {**PRESETS[preset].settings, **values}
    config = TrainConfig(**settings)
    if "learning_rate" in values or "batch_size" not in values:
        return config
    basis = TrainConfig(**PRESETS[preset].settings)
    rate = followed_rate(basis.learning_rate, basis.batch_size, config.batch_size, config.optimizer)
    return TrainConfig(**settings | {"learning_rate": rate})


def followed_rate(
    learning_rate: float, batch_size: int, new_batch_size: int, optimizer: str
) -> float:
    """The learning rate for `new_batch_size` that matches `learning_rate` at `batch_size`.

    Proportional to the batch size for SGD (Goyal et al., 2017), and to its square root for Adam,
    which divides by the size of the gradients (Malladi et al., 2022). Rounded to three digits, and
    at most the largest rate that is allowed.
    """
    growth = new_batch_size / batch_size
    rate = learning_rate * (growth if optimizer == "sgd" else growth**0.5)
    return min(float(f"{rate:.3g}"), HIGHEST_RATE)


def parse_size(text: str) -> tuple[int, int]:
    """(height, width) of a text such as "256x512"; raises ConfigError."""
    problem = find_problems({"size": text}).get("size")
    if problem:
        raise ConfigError(f"{text!r} is no size. {problem.removesuffix('.')}")
    return make_config({"size": text}).size


def saved_config(values: Mapping[str, Any]) -> TrainConfig:
    """The TrainConfig that a run or a weights file holds; raises ConfigError.

    Version 0.1.0 had no setting `fit`, and did what is now called squash_in_training.
    """
    return make_config({"fit": "squash_in_training", **values})


def load_config(path: Path) -> TrainConfig:
    """Read the TrainConfig in a run's config.json.

    Its `exclude` and `review` are the run's own copies. Raises ConfigError.
    """
    try:
        values = parse_json(read_regular_file(path, SMALL))
    except OSError as error:
        raise ConfigError(
            f"{path} is not a readable configuration ({error.strerror}): restore it or start a "
            "new run"
        ) from error
    except JsonError as error:
        raise ConfigError(
            f"{path} is not a readable configuration ({error}): restore it or start a new run"
        ) from error
    if not isinstance(values, dict):
        raise ConfigError(
            f"{path} is not a configuration (it is {described(values)}, not an object): restore it "
            "or start a new run"
        )
    try:
        config = saved_config(values)
    except ConfigError as error:
        raise ConfigError(f"{path} is not a valid configuration: {error}") from error
    own = {"exclude": path.with_name(EXCLUDED), "review": path.with_name(REVIEWED)}
    kept = {name: copy for name, copy in own.items() if getattr(config, name) and copy.exists()}
    return config.model_copy(update=kept) if kept else config
