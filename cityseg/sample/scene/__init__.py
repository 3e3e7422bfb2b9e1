"""Paint one frame of the sample: plan a street in metres, paint its objects, trace their outlines.

light, canvas            colours in daylight and haze; pixels and polygons
facades … vehicles       painters of each type of object
cities, street           the properties of a city, the plan of a street
roadside, traffic        the objects that stand and those that move in one street
layout, scene, film      the order of painting, one frame, the camera's picture
"""

from cityseg.sample.scene.canvas import Polygon
from cityseg.sample.scene.scene import blank_annotation, place_of, render

__all__ = ["Polygon", "blank_annotation", "place_of", "render"]
