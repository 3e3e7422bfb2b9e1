"""The form of the page Masks hands on every option of the command. The page's tests use it."""

from pathlib import Path

from cityseg.cli.main import build_parser
from cityseg.ui.masks.conversion import Choice


def parsed(choice: Choice) -> dict[str, object]:
    arguments = ["convert", "data", *map(str, choice.arguments(Path("masks")))]
    return vars(build_parser().parse_args(arguments))


def test_every_option_of_the_command_has_its_field() -> None:
    choice = Choice(("val",), 3, "trainids", "kitti", Path("labels.txt"), 5, 2.0, verify=True)
    options = parsed(choice)
    wanted = {"out": Path("masks"), "splits": ("val",), "workers": 3, "encoding": "trainids"}
    wanted |= {"layout": "kitti", "label_map": Path("labels.txt"), "max_images": 5, "verify": True}
    wanted["pixel_aspect"] = 2.0
    assert {name: options.pop(name) for name in wanted} == wanted
    assert options.keys() == {"data", "dry_run", "command", "shard", "merge"}


def test_empty_fields_are_no_options() -> None:
    options = parsed(Choice(("train", "val"), 1))
    assert {
        options[name] for name in ("encoding", "layout", "label_map", "max_images", "pixel_aspect")
    } == {None}
    assert not options["verify"]
