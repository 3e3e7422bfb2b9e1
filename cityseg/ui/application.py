"""The application that the server serves: its addresses, and the layers around them."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module
from typing import Any, Final

from starlette.middleware import Middleware
from starlette.routing import Route
from streamlit import config

from cityseg.system import share_heaps, wait_passively
from cityseg.ui.connections import end_silent_connections
from cityseg.ui.guard import Guard, allowed_hosts, base_path
from cityseg.ui.leaving import LateGoodbye
from cityseg.ui.review import reviewed, verdicts
from cityseg.ui.routes import ROUTES

#: How long one session's script may keep a picture or another session waiting. A picture beside
#: four scripts, for each of which Python has 5 ms, took two to three times as long.
_SWITCH_SECONDS: Final = 0.001


def settings() -> dict[str, Any]:
    """What `st.App` takes beside its script, however it is started."""
    wait_passively()  # predictions share the cores with trainings; torch is not loaded yet
    layers = [Middleware(Guard), Middleware(LateGoodbye)]
    return {"routes": routes(), "middleware": layers, "lifespan": _prepare}


def routes() -> list[Route]:
    """Our addresses below `--server.baseUrlPath`, where Streamlit's are."""
    base = base_path()
    return [
        Route(base + route.path, route.endpoint, methods=route.methods)
        for route in (*ROUTES, verdicts.ROUTE, reviewed.ROUTE)
    ]


@asynccontextmanager
async def _prepare(app: Any) -> AsyncIterator[dict[str, Any]]:
    """Before the server accepts its first connection."""
    share_heaps()
    sys.setswitchinterval(_SWITCH_SECONDS)
    end_silent_connections()
    # Streamlit imports it in a session: two that begin at once would see it half initialized.
    import_module("pandas")
    # Streamlit has a check of its own on the websocket, which knows only names.
    names = {f"https://{host.name}" for host in allowed_hosts(sys.argv[1:])}
    known = config.get_option("server.corsAllowedOrigins")
    config.set_option("server.corsAllowedOrigins", sorted({*known, *names}))
    yield {}
