"""A skipped item keeps the code and the message of its error."""

from cityseg.errors import ImageError, MaskError, Skipped


def test_an_error_with_a_reason_code_keeps_it():
    skipped = Skipped.of(MaskError("palette", "a.png is a palette picture"))
    assert skipped == Skipped("palette", "a.png is a palette picture (palette)")


def test_any_other_error_is_counted_by_its_class():
    assert Skipped.of(ImageError("a.png is damaged")) == Skipped("ImageError", "a.png is damaged")
