"""The page Train."""

from cityseg.ui.pages.train import show

show()
