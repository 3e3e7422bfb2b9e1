"""The glossary: whole sentences, and only terms that it has."""

import pytest

from cityseg.ui.glossary import TERMS, explain


def test_terms_are_explained_in_their_order() -> None:
    text = explain("255", "Void")
    assert text.startswith("**255**: The value of ignored pixels in a mask:")
    assert text.index("**255**") < text.index("\n\n**Void**: Labels that are no class")


@pytest.mark.parametrize("term", TERMS)
def test_every_explanation_is_whole_sentences(term: str) -> None:
    assert term[:1].upper() == term[:1]
    assert TERMS[term][0].isupper()
    assert TERMS[term].endswith(".")


def test_an_unknown_term_is_a_fault_of_the_page() -> None:
    with pytest.raises(KeyError):
        explain("unheard of")
