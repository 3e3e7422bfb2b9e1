"""The glossary: whole sentences, and only terms that it has."""

import pytest

from cityseg.labels import LABEL_OF_NAME
from cityseg.ui.glossary import LABELS, TERMS, explain, explain_labels


def test_terms_are_explained_in_their_order() -> None:
    text = explain("255", "Void")
    assert text.startswith("**255**: The value of ignored pixels in a mask:")
    assert text.index("**255**") < text.index("\n\n**Void**: Labels that are no class")


@pytest.mark.parametrize("term", TERMS)
def test_every_explanation_is_whole_sentences(term: str) -> None:
    assert term[:1].upper() == term[:1]
    assert TERMS[term][0].isupper()
    assert TERMS[term].endswith(".")


@pytest.mark.parametrize("name", LABELS)
def test_what_a_label_means_is_a_whole_sentence(name: str) -> None:
    assert name in LABEL_OF_NAME
    assert LABELS[name][0].isupper()
    assert LABELS[name].endswith(".")


def test_labels_are_explained_under_their_names() -> None:
    assert explain_labels("rider").startswith("**rider**: A human on a bicycle")


def test_an_unknown_term_is_a_fault_of_the_page() -> None:
    with pytest.raises(KeyError):
        explain("unheard of")
