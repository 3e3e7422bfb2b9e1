"""JSON that comes from disk, where anything may stand in place of what was once written.

Python's parser takes files of any size, fails with RecursionError where lists nest deeply, reads
1e999 as infinity, and lets the last of two equal names win. Here size and depth have limits, a name
may stand once, and a pydantic model says what is wanted: `FileModel` is the base of such models.
"""

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Annotated, Any, Final, TypeVar, cast

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

#: Lists and objects within each other. Files of ours have up to five.
_MOST_DEPTH: Final = 32
_LONGEST: Final = 40

#: Types are those of JSON: no text is read as a number, no number as true. More fields than the
#: model has, as a later version may write, are ignored.
FILE_RULES: Final = ConfigDict(strict=True, allow_inf_nan=False, extra="ignore")

#: A number of things: at most what a float holds exactly.
Count = Annotated[int, Field(ge=0, le=1 << 53)]

Shape = TypeVar("Shape")


class JsonError(Exception):
    """What a file holds in place of the wanted JSON: a clause such as "it is no JSON".

    `is_cut_off` is true of content that is no JSON object at all, as a crash or a full disk leaves.
    """

    def __init__(self, clause: str, *, is_cut_off: bool = False) -> None:
        """Keep the clause as the message."""
        super().__init__(clause)
        self.is_cut_off = is_cut_off


class FileModel(BaseModel):
    """The content of a file, by FILE_RULES."""

    model_config = FILE_RULES


# --- content ---------------------------------------------------------------------------------


def parse_as(content: bytes | str, shape: type[Shape]) -> Shape:
    """JSON as `shape`, such as a FileModel or a list of them; raises JsonError."""
    value, wanted = parse_json(content), cast(Any, shape)
    try:
        found: Shape = _adapter(wanted).validate_python(value)
    except ValidationError as error:
        raise JsonError(_first_problem(error), is_cut_off=not isinstance(value, dict)) from error
    return found


def parse_json(content: bytes | str) -> Any:
    """The value of JSON; raises JsonError if there is none, or one that no file of ours has."""
    try:
        value = json.loads(content, object_pairs_hook=_object)
    except RecursionError as error:
        raise JsonError(_TOO_DEEP) from error
    except UnicodeDecodeError as error:
        raise JsonError("it is no text", is_cut_off=True) from error
    except json.JSONDecodeError as error:
        raise JsonError(_where(content, error), is_cut_off=True) from error
    except ValueError as error:  # Python reads no number of more than 4,300 digits
        raise JsonError("it has a number of thousands of digits") from error
    if _is_deep(value):
        raise JsonError(_TOO_DEEP)
    return value


_TOO_DEEP: Final = "it is nested too deeply"


def _where(content: bytes | str, error: json.JSONDecodeError) -> str:
    if not content.strip():
        return "it is empty"
    return f"it is no JSON from line {error.lineno}, column {error.colno}"


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise JsonError(f"it has {described(twice)} twice")
    return found


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(_MOST_DEPTH + 1):
        level = [each for parent in level for each in _members(parent)]
        if not level:
            return False
    return True


def _members(value: Any) -> list[Any]:
    """The lists and objects in a list or an object."""
    if not isinstance(value, dict | list):
        return []
    values = value.values() if isinstance(value, dict) else value
    return [each for each in values if isinstance(each, dict | list)]


@lru_cache(maxsize=64)  # building one takes as long as reading thousands of rows
def _adapter(shape: Any) -> TypeAdapter[Any]:
    return TypeAdapter(shape)


# --- what is wrong, in words -----------------------------------------------------------------

#: Beginnings of the types of pydantic's errors -> what was wanted.
_WANTED: Final[Mapping[str, str]] = {
    "int": "a whole number",
    "float": "a number",
    "finite": "a finite number",
    "bool": "true or false",
    "string": "text",
    "list": "a list",
    "tuple": "a list",
    "dict": "an object",
    "model": "an object",
    "dataclass": "an object",
    "none": "null",
}
#: By the whole type.
_WANTED_EXACTLY: Final[Mapping[str, str]] = {
    "string_pattern_mismatch": "a word that belongs there",
    "string_unicode": "text in UTF-8",
}
_LIMITS: Final[Mapping[str, str]] = {
    "greater_than": "more than {gt:g}",
    "greater_than_equal": "at least {ge:g}",
    "less_than": "less than {lt:g}",
    "less_than_equal": "at most {le:g}",
    "string_too_short": "at least {min_length} characters",
    "string_too_long": "at most {max_length} characters",
}


def _first_problem(error: ValidationError) -> str:
    problem = error.errors(include_url=False)[0]
    name, kind, value = _place(problem["loc"]), problem["type"], problem["input"]
    if kind == "missing":
        return f"it has no {name}"
    if kind == "literal_error":
        wanted = problem["ctx"]["expected"]
    elif kind in _LIMITS:
        wanted = _LIMITS[kind].format_map(problem["ctx"])
    else:
        usual = _WANTED.get(kind.partition("_")[0], "what belongs there")
        wanted = _WANTED_EXACTLY.get(kind, usual)
    if kind in ("too_short", "too_long"):
        return f"{name} has not as many entries as it should"
    return f"{name or 'it'} is {described(value)}, not {wanted}"


def _place(parts: Sequence[int | str]) -> str:
    """ "rows[3].class_pixels" without the names that pydantic gives to parts of a type."""
    text = ""
    for part in parts:
        if isinstance(part, int):
            text += f"[{part}]"
        elif part.isprintable() and "[" not in part:
            text += f".{part}"
    return text.removeprefix(".")[: 2 * _LONGEST]


def described(value: Any) -> str:
    """A JSON value in a few words, such as "a list"; numbers and texts as they are, shortened."""
    kinds = {dict: "an object", list: "a list", type(None): "null", bool: str(value).lower()}
    if type(value) in kinds:
        return kinds[type(value)]
    text = ascii(value) if isinstance(value, str) else str(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
