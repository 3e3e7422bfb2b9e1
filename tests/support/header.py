"""The choice of folders in the header, for tests with `AppTest`."""

from pathlib import Path

from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Button

_OPEN = "open_folder_button"


def open_folder(at: AppTest, use: str, folder: Path | str) -> AppTest:
    """Type the path of `folder` into the header for `use`: dataset, masks or runs_folder."""
    at.button_group(key="open_use").set_value(use)
    at.text_input(key="open_path").set_value(str(folder))
    return at.button(key=_OPEN).click().run()


def page_buttons(at: AppTest) -> list[Button]:
    """The buttons of the page, without the header's."""
    return [button for button in at.button if button.key != _OPEN]
