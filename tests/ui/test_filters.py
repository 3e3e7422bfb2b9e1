"""How many filters are on."""

from streamlit.testing.v1 import AppTest


def _page() -> None:
    import streamlit as st

    from cityseg.ui.filters import show_count

    with st.popover("More filters"):
        st.multiselect("City", ["ulm", "jena"], key="city", bind="query-params")
        st.select_slider("Size", [1, 2, 3], (1, 3), key="size")
    show_count({"city": [], "size": (1, 3)})


def test_the_filters_that_are_on_are_counted() -> None:
    app = AppTest.from_function(_page).run()
    assert not app.markdown
    app.select_slider(key="size").set_value((1, 2)).run()
    assert [each.value for each in app.markdown] == ["**1 on**"]
    app.multiselect(key="city").set_value(["ulm"]).run()
    assert [each.value for each in app.markdown] == ["**2 on**"]


def test_filters_of_the_address_count_at_once() -> None:
    app = AppTest.from_function(_page)
    app.query_params["city"] = "ulm"
    assert [each.value for each in app.run().markdown] == ["**1 on**"]
