"""The page Masks."""

from cityseg.ui.pages.masks import show

show()
