"""The page Overview."""

from cityseg.ui.pages.overview import show

show()
