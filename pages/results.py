"""The page Results."""

from cityseg.ui.pages.results import show

show()
