"""What stands around every page: errors as sentences."""

from streamlit.testing.v1 import AppTest
from waiting import PATIENCE_SECONDS


def page() -> None:
    import streamlit as st

    from cityseg.errors import ImageError
    from cityseg.ui.shell import errors_shown

    with errors_shown():
        raise ImageError("the picture <b>a</b> is damaged: choose another")
    st.caption("The rest of the page")


def test_an_error_becomes_a_sentence_and_the_rest_of_the_page_stays() -> None:
    app = AppTest.from_function(page).run(timeout=PATIENCE_SECONDS)
    assert not app.exception
    (error,) = app.error
    assert error.value.replace("\\", "") == "The picture <b>a</b> is damaged: choose another."
    assert app.caption[0].value == "The rest of the page"


def broken_page() -> None:
    from cityseg.ui.shell import errors_shown

    with errors_shown():
        raise ZeroDivisionError


def test_a_fault_of_the_program_is_not_hidden() -> None:
    app = AppTest.from_function(broken_page).run(timeout=PATIENCE_SECONDS)
    assert not app.error
    assert len(app.exception) == 1
