"""Choices in the address: restored from it, and written back."""

from streamlit.testing.v1 import AppTest
from waiting import PATIENCE_SECONDS


def page() -> None:
    import streamlit as st

    from cityseg.ui import address

    address.restore("runs", ["a", "b", "c"], default=["a"])
    st.multiselect("Runs", ["a", "b", "c"], key="runs", on_change=address.keep, args=("runs",))
    address.select("Weights", ["best", "last"], "weights", str.upper)
    address.one_of("View", ["Bars", "Table"], "view")


def page_of_options() -> None:
    import streamlit as st

    from cityseg.ui import address

    address.select("Weights", st.session_state["options"], "weights", str.upper)


def open_page(**parameters: str | list[str]) -> AppTest:
    app = AppTest.from_function(page)
    for name, value in parameters.items():
        app.query_params[name] = value
    app.run(timeout=PATIENCE_SECONDS)
    assert not app.exception
    return app


def test_without_an_address_the_defaults_are_chosen_and_not_written() -> None:
    app = open_page()
    assert app.multiselect(key="runs").value == ["a"]
    assert app.selectbox(key="weights").value == "best"
    assert app.button_group(key="view").value == "Bars"
    assert dict(app.query_params) == {}
    app.selectbox(key="weights").set_value("last").run()
    assert app.query_params["weights"] == "last"


def test_a_default_stays_when_another_one_has_come() -> None:
    app = AppTest.from_function(page_of_options)
    app.session_state["options"] = ["b"]
    assert app.run(timeout=PATIENCE_SECONDS).selectbox(key="weights").value == "b"
    app.session_state["options"] = ["a", "b"]
    assert app.run().selectbox(key="weights").value == "b"
    app.session_state["options"] = ["a"]
    assert app.run().selectbox(key="weights").value == "a"


def test_the_address_decides() -> None:
    app = open_page(runs=["c", "b"], weights="last", view="Table")
    assert app.multiselect(key="runs").value == ["c", "b"]
    assert app.selectbox(key="weights").value == "last"
    assert app.selectbox(key="weights").options == ["BEST", "LAST"]
    assert app.button_group(key="view").value == "Table"


def test_unknown_choices_in_the_address_are_ignored() -> None:
    app = open_page(runs=["gone", "b"], weights="gone", view="gone")
    assert app.multiselect(key="runs").value == ["b"]
    assert app.selectbox(key="weights").value == "best"
    assert app.button_group(key="view").value == "Bars"


def test_choosing_nothing_is_kept_in_the_address() -> None:
    app = open_page(runs="b")
    app.multiselect(key="runs").set_value([]).run()
    assert app.query_params["runs"] == ""
    assert app.run().multiselect(key="runs").value == []
