"""Who may use the server, and what a browser may do with its answers.

The layer lies around Streamlit's addresses, the websocket and ours alike, so no address can be left
out. A browser names in `Host` the server that it asks and in `Origin` the page that asks. A page
under a foreign name that leads to this machine (DNS rebinding) or from another port is refused:
known are this machine's own names at the server's port, the address that the server was bound to,
and what `--allow-host` adds. Starlette's TrustedHostMiddleware looks at neither ports nor `Origin`.
"""

import argparse
import base64
import hashlib
import re
import sys
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import Any, Final, NamedTuple

from starlette.datastructures import MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit import config

from cityseg.errors import CitysegError

_OWN_NAMES: Final = ("127.0.0.1", "localhost", "[::1]")
_ADDRESS: Final = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::([0-9]{1,5}))?", re.ASCII)
#: A browser leaves these ports out.
_DEFAULT_PORTS: Final = frozenset((80, 443))
_INLINE_SCRIPT: Final = re.compile(r"<script>(.*?)</script>", re.DOTALL)


class Address(NamedTuple):
    """A name and a port as an address has them; without a port, it is a default one."""

    name: str
    port: int | None

    @property
    def ports(self) -> frozenset[int]:
        """The port, or all that may be meant without one."""
        return _DEFAULT_PORTS if self.port is None else frozenset((self.port,))


def parse_address(text: str) -> Address | None:
    """`NAME`, `NAME:PORT` or `[IPV6]:PORT`; None if it is anything else."""
    found = _ADDRESS.fullmatch(text.lower())
    return Address(found[1], int(found[2]) if found[2] else None) if found else None


def allowed_hosts(arguments: Iterable[str]) -> frozenset[Address]:
    """The addresses that `--allow-host` gives; raises CitysegError if one is invalid."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--allow-host", action="append", default=[])
    found = set()
    for text in parser.parse_known_args(list(arguments))[0].allow_host:
        address = parse_address(text)
        if address is None:
            raise CitysegError(
                f"--allow-host {text} is no host: give a name or NAME:PORT, without https://"
            )
        found.add(address)
    return frozenset(found)


class Guard:
    """The layer: `Guard(app)` refuses foreign requests and adds headers to every answer."""

    def __init__(self, app: ASGIApp) -> None:
        """Protect `app`; hosts to allow are among the arguments of the process."""
        self._app = app
        self._allowed = allowed_hosts(sys.argv[1:])
        self._base = base_path()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer or refuse one request or websocket."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        problem = _find_problem(scope, self._allowed)
        protected = _with_headers(send)
        if not problem:
            await self._app(_below(self._base, scope), receive, protected)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})  # before it opens: status 403
        else:
            await PlainTextResponse(problem, 403)(scope, receive, protected)


def base_path() -> str:
    """The path that `--server.baseUrlPath` puts before all addresses: "" or "/a/b"."""
    path = str(config.get_option("server.baseUrlPath") or "").strip("/")
    return f"/{path}" if path else ""


def _below(base: str, scope: Scope) -> Scope:
    """The request with the base path, which some reverse proxies take away."""
    path = str(scope["path"])
    if not base or path == base or path.startswith(f"{base}/"):
        return scope
    raw_path = base.encode() + (scope.get("raw_path") or path.encode())
    return {**scope, "path": base + path, "raw_path": raw_path}


def _find_problem(scope: Scope, allowed: frozenset[Address]) -> str:
    """Why the request is refused; empty if it is not."""
    own = _own_addresses(scope)
    hosts = _header(scope, b"host")
    host = parse_address(hosts[0]) if len(hosts) == 1 else None
    if host is None or not _is_known_host(host, own, allowed):
        return _refusal("was asked as", hosts, own)
    origins = _header(scope, b"origin")
    if all(_is_known_origin(origin, host, own, allowed) for origin in origins):
        return ""
    return _refusal("was asked by a page of", origins, own)


def _own_addresses(scope: Scope) -> list[Address]:
    """This machine's names, and the address the connection came in on, at the server's port."""
    bound = config.get_option("server.address")
    local, port = scope.get("server") or (bound, config.get_option("server.port"))
    names = {f"[{name}]" if ":" in name else name.lower() for name in (local, bound) if name}
    return [Address(name, port) for name in (*_OWN_NAMES, *sorted(names - set(_OWN_NAMES)))]


def _is_known_host(host: Address, own: list[Address], allowed: frozenset[Address]) -> bool:
    """An allowed name without a port is allowed at every port, since a proxy may have any."""
    return any(
        host.name == known.name and known.port in host.ports for known in (*own, *allowed)
    ) or (Address(host.name, None) in allowed)


def _is_known_origin(
    text: str, host: Address, own: list[Address], allowed: frozenset[Address]
) -> bool:
    """Whether a page is of this server: of the very host that was asked, or a known address.

    Here an allowed name without a port has a default one: other ports of that machine are foreign.
    """
    scheme, _, rest = text.partition("://")
    origin = parse_address(rest) if scheme in ("http", "https") else None
    return origin is not None and any(
        origin.name == known.name and origin.ports & known.ports for known in (host, *own, *allowed)
    )


def _header(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in scope["headers"] if key == name]


def _refusal(how: str, values: list[str], own: list[Address]) -> str:
    given = ", ".join(values).encode("ascii", "replace").decode()[:200] or "no name"
    address = f"{own[0].name}:{own[0].port}"
    return (
        f"This server {how} {given}, which it does not know. Open http://{address}, or start it "
        "with --allow-host NAME:PORT for each further name that leads to it."
    )


def _with_headers(send: Send) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _headers().items():
                headers.setdefault(name, value)
        await send(message)

    return send_with_headers


@cache
def _headers() -> dict[str, str]:
    return {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in _policy()),
        "Cross-Origin-Resource-Policy": "same-origin",
        "Referrer-Policy": "same-origin",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "SAMEORIGIN",
    }


def _policy() -> list[tuple[str, Any]]:
    """What the pages need: this server, and what scripts make themselves (`blob:` and `data:`)."""
    made = "'self' blob: data:"
    return [
        ("default-src", "'self'"),
        # Streamlit runs the scripts of components from `blob:` addresses.
        ("script-src", " ".join(("'self'", "blob:", "'wasm-unsafe-eval'", *_inline_scripts()))),
        ("style-src", "'self' 'unsafe-inline'"),  # Streamlit writes its styles into the page
        ("img-src", made),
        ("font-src", "'self' data:"),
        ("media-src", made),
        ("connect-src", made),
        ("worker-src", "'self' blob:"),
        ("object-src", "'none'"),
        ("base-uri", "'self'"),
        ("form-action", "'self'"),
        ("frame-ancestors", "'self'"),
    ]


def _inline_scripts() -> list[str]:
    """Hashes of the scripts inside Streamlit's only page, which differ between its versions."""
    page = files("streamlit").joinpath("static", "index.html").read_text(encoding="utf-8")
    digests = (hashlib.sha256(text.encode()).digest() for text in _INLINE_SCRIPT.findall(page))
    return [f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests]
