"""Sentences for people on what is wrong with a setting, in place of pydantic's own texts.

A sentence says what the field allows, as its declaration in TrainConfig has it, and so covers
every way in which a value can be invalid.
"""

import difflib
from collections.abc import Mapping, Sequence
from typing import Any, Final

from annotated_types import Ge, Gt, Le, Lt
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from cityseg.config.fields import choices_of
from cityseg.config.settings import TrainConfig

#: Longer values are cut in messages.
_LONGEST: Final = 60


def problems_by_setting(error: ValidationError) -> dict[str, str]:
    """For each invalid setting what is allowed; under "" what is wrong with several together.

    The texts begin with a small letter, to follow `name_value`.
    """
    found: dict[str, str] = {}
    for each in error.errors():
        if each["loc"]:  # both sides of a size may be wrong, which is one problem
            name = str(each["loc"][0])
            found[name or repr(name)] = _allowed(name)
        else:
            found[""] = str(each["ctx"]["error"])  # raised by TrainConfig's own check
    return found


def name_value(name: str, values: Mapping[str, Any]) -> str:
    """How a message about the setting `name` begins: "batch_size is 0: "."""
    if name in TrainConfig.model_fields and name in values:
        return f"{name} is {_shown(values[name])}: "
    return ""


def as_sentence(problem: str) -> str:
    """A problem as a sentence of its own, for a form."""
    return f"{problem[0].upper()}{problem[1:]}."


def _allowed(name: str) -> str:
    field = TrainConfig.model_fields.get(name)
    if field is None:
        return _unknown(name)
    extra = field.json_schema_extra
    if isinstance(extra, dict) and "allowed" in extra:
        return str(extra["allowed"])
    if choices := choices_of(field):
        return f"choose {_either(choices)}"
    return "choose true or false" if field.annotation is bool else _bounds(field)


def _unknown(name: str) -> str:
    close = difflib.get_close_matches(name.replace("-", "_"), TrainConfig.model_fields, n=1)
    hint = f"perhaps {close[0]} is meant" if close else "python -m cityseg train --help lists them"
    return f"No setting is called {_shown(name)}: {hint}"


def _bounds(field: FieldInfo) -> str:
    """ "it must be a whole number, at least 1 and at most 256"."""
    limits = []
    for each in field.metadata:
        match each:
            case Ge(ge=limit):
                limits.append(f"at least {limit}")
            case Gt(gt=limit):
                limits.append(f"above {limit}")
            case Le(le=limit):
                limits.append(f"at most {limit}")
            case Lt(lt=limit):
                limits.append(f"below {limit}")
    kind = "a whole number" if field.annotation is int else "a number"
    return f"it must be {kind}, {' and '.join(limits)}"


def _either(choices: Sequence[str]) -> str:
    return f"{', '.join(choices[:-1])} or {choices[-1]}"


def _shown(value: Any) -> str:
    """A value in a message: a plain word as it was typed, anything else as Python writes it."""
    is_word = isinstance(value, str) and value.isprintable() and value and " " not in value
    text = value if is_word else repr(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
