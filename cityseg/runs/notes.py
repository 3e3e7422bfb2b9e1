"""What people say about a run: a name, a note and tags, in about.json beside what the run records.

The run's settings stay as they were trained with, its title too.
"""

from collections.abc import Sequence
from typing import Annotated, Final

from pydantic import ConfigDict, Field

from cityseg.errors import RunError
from cityseg.runs.folder import RunDir
from cityseg.system import FILE_RULES, FileModel, read_model, write_json

#: Longest name and tag, longest note, in characters; most tags.
LONGEST_NAME: Final = 200
LONGEST_NOTE: Final = 10_000
MOST_TAGS: Final = 20

# Not strict: so pydantic refuses text that is no UTF-8, which no page could show in a field.
_Line = Annotated[str, Field(max_length=LONGEST_NAME, strict=False)]


class Notes(FileModel):
    """The content of about.json; an empty name leaves the run its title."""

    # What a later version adds is kept when this one writes the file.
    model_config = ConfigDict(**{**FILE_RULES, "extra": "allow"})

    name: _Line = ""
    note: Annotated[str, Field(max_length=LONGEST_NOTE, strict=False)] = ""
    tags: list[_Line] = Field(default_factory=list, max_length=MOST_TAGS)


def read_notes(run: RunDir) -> Notes:
    """The notes on `run`; empty ones if there are none. Raises RunError if the file is damaged."""
    advice = "is no file of notes on a run: correct it, or move it away"
    return read_model(run.about_file, Notes, RunError, advice) or Notes()


def write_notes(run: RunDir, name: str, note: str, tags: Sequence[str]) -> None:
    """Write the notes on `run`, whole or not at all.

    Raises RunError if they are too long, if the file cannot be written, or if it is damaged and
    would be lost.
    """
    if max(map(len, (name, *tags))) > LONGEST_NAME or len(tags) > MOST_TAGS:
        raise RunError(
            f"A name and a tag have at most {LONGEST_NAME} characters, and a run {MOST_TAGS} tags: "
            "shorten them"
        )
    if len(note) > LONGEST_NOTE:
        raise RunError(f"A note has at most {LONGEST_NOTE} characters: shorten it")
    before = read_notes(run)
    try:
        given = {"name": name, "note": note, "tags": list(tags)}
        write_json(run.about_file, {**before.model_dump(mode="json"), **given})
    except OSError as error:
        raise RunError(
            f"{run.about_file} cannot be written ({error.strerror}): check its permissions and the "
            "disk"
        ) from error
