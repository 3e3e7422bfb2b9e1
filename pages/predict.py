"""The page Predict."""

from cityseg.ui.pages.predict import show

show()
