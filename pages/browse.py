"""The page Browse."""

from cityseg.ui.pages.browse import show

show()
