"""The viewer's JavaScript: ES modules in `js/`, served as they are, beside Streamlit's routes.

    viewer/<digest>/<file>.js

Streamlit gives a component one string of JavaScript and runs it from a `blob:` address, against
which no relative import can be resolved. That string therefore only imports `main.js`, at an
address relative to the page, and the browser fetches the rest by the imports. The digest covers all
files together, so the browser may keep them for ever and never mixes two versions.
"""

import hashlib
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

#: File name to content.
_FILES: Final = {
    path.name: path.read_bytes() for path in sorted((Path(__file__).parent / "js").glob("*.js"))
}
_DIGEST: Final = hashlib.blake2b(
    b"".join(name.encode() + content for name, content in _FILES.items()), digest_size=8
).hexdigest()

#: The import is inside the function, so that it is tried again after it failed because the server
#: was away; once it has succeeded, it costs nothing.
LOADER: Final = f"""
export default async function (component) {{
  const {{ default: show }} = await import(new URL("viewer/{_DIGEST}/main.js", document.baseURI));
  return show(component);
}}
"""


def _answer(request: Request) -> Response:
    content = _FILES.get(request.path_params["name"])
    if content is None or request.path_params["digest"] != _DIGEST:
        headers = {"Cache-Control": "no-store"}
        return PlainTextResponse("This server has another viewer: reload the page.", 410, headers)
    headers = {"Cache-Control": "private, max-age=31536000, immutable"}
    return Response(content, media_type="text/javascript", headers=headers)


ROUTE: Final = Route("/viewer/{digest}/{name}", _answer)
