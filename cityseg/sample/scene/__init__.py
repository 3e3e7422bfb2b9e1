"""The scenes of `cityseg.sample.dataset`: a street is planned in metres, painted, and traced.

light, canvas            how colours, pixels and polygons come about
facades … vehicles       what can be painted
cities, street           what a city is like, how its streets are laid out
roadside, traffic        what stands and what moves in one street
layout, scene, film      the order of painting, one frame, the camera's picture
"""

from cityseg.sample.scene.canvas import Polygon
from cityseg.sample.scene.scene import blank_annotation, place_of, render

__all__ = ["Polygon", "blank_annotation", "place_of", "render"]
