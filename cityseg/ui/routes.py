"""Addresses beside the pages from which the browser fetches pictures."""

from typing import Final

from starlette.routing import Route

ROUTES: Final[list[Route]] = []
