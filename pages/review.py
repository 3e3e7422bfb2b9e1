"""The page Review."""

from cityseg.ui.pages.review import show

show()
