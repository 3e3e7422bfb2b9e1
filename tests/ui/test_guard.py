"""Who may use the server: names and origins, in every spelling that a browser may send."""

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect
from streamlit import config

from cityseg.errors import CitysegError
from cityseg.ui.guard import Guard, allowed_hosts


async def answer(request: Request) -> Response:
    return PlainTextResponse(request.url.path)


async def greet(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text("hello")
    await socket.close()


def client_of(monkeypatch: pytest.MonkeyPatch, *allowed: str, base: str = "") -> TestClient:
    """A client of a guarded server on 127.0.0.1:8501."""
    arguments = [f"--allow-host={host}" for host in allowed]
    monkeypatch.setattr("sys.argv", ["app.py", "--data", "x", *arguments])
    original = config.get_option("server.baseUrlPath")
    config.set_option("server.baseUrlPath", base)
    try:
        app = Starlette(
            routes=[Route("/{path:path}", answer), WebSocketRoute("/{path:path}", greet)],
        )
        guard = Guard(app)
    finally:
        config.set_option("server.baseUrlPath", original)
    return TestClient(guard, base_url="http://127.0.0.1:8501")


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> TestClient:
    return client_of(monkeypatch)


def status(client: TestClient, host: str, origin: str | None = None) -> int:
    headers = {"Host": host} | ({"Origin": origin} if origin is not None else {})
    status = client.get("/x", headers=headers).status_code
    try:
        with client.websocket_connect("ws://127.0.0.1:8501/x", headers=headers) as socket:
            opened = socket.receive_text() == "hello"
    except WebSocketDisconnect:
        opened = False
    assert opened == (status == 200)  # the websocket and the routes have one rule
    return status


@pytest.mark.parametrize("host", ["127.0.0.1:8501", "localhost:8501", "LOCALHOST:8501"])
def test_the_servers_own_names_are_known(client: TestClient, host: str) -> None:
    assert status(client, host) == 200
    assert status(client, host, f"http://{host}") == 200


def test_the_ipv6_name_is_known(client: TestClient) -> None:
    assert status(client, "[::1]:8501", "http://[::1]:8501") == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.test:8501",
        "127.0.0.1",  # port 80
        "127.0.0.1:8502",
        "127.0.0.1.evil.test:8501",
        "localhost.:8501",
        "127.0.0.1:8501@evil.test",
        "evil.test/127.0.0.1:8501",
        "[::1]:1",
        "0.0.0.0:8501",
        "",
    ],
)
def test_other_names_and_ports_are_refused(client: TestClient, host: str) -> None:
    assert status(client, host) == 403


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.test",
        "http://evil.test:8501",
        "http://127.0.0.1:9999",
        "http://localhost",
        "https://localhost.evil.test:8501",
        "null",
        "",
        "file://",
        "chrome-extension://abc",
        "http://127.0.0.1:8501.evil.test",
    ],
)
def test_pages_of_other_names_and_ports_are_refused(client: TestClient, origin: str) -> None:
    assert status(client, "127.0.0.1:8501", origin) == 403


def test_two_hosts_are_refused(client: TestClient) -> None:
    headers = [("Host", "127.0.0.1:8501"), ("Host", "evil.test")]
    assert client.get("/", headers=headers).status_code == 403


def test_the_refusal_says_what_to_do_and_is_plain_text(client: TestClient) -> None:
    answer = client.get("/", headers={"Host": "evil.test:8501"})
    assert answer.text == (
        "This server was asked as evil.test:8501, which it does not know. Open "
        "http://127.0.0.1:8501, or start it with --allow-host NAME:PORT for each further name "
        "that leads to it."
    )
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_host_may_be_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    client = client_of(monkeypatch, "seg.example.org", "localhost:9000")
    assert status(client, "seg.example.org", "https://seg.example.org") == 200
    assert status(client, "seg.example.org:8443", "https://seg.example.org:8443") == 200
    assert status(client, "localhost:9000", "http://localhost:9000") == 200
    # A proxy that does not hand on the name that the browser asked for:
    assert status(client, "127.0.0.1:8501", "https://seg.example.org") == 200
    assert status(client, "127.0.0.1:8501", "http://localhost:9000") == 200
    for origin in ("https://seg.example.org:1234", "http://localhost:9001", "https://example.org"):
        assert status(client, "127.0.0.1:8501", origin) == 403
    assert status(client, "localhost:9001") == 403


def test_the_address_that_the_server_was_bound_to_is_known(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = config.get_option("server.address")
    config.set_option("server.address", "lab-7.local")
    try:
        assert status(client, "lab-7.local:8501", "http://lab-7.local:8501") == 200
        assert status(client, "lab-7.local:8502") == 403
    finally:
        config.set_option("server.address", original)


@pytest.mark.parametrize("text", ["https://x.org", "a b", "x:y", ":8501", "x:123456", ""])
def test_an_invalid_allowed_host_is_an_error(text: str) -> None:
    with pytest.raises(CitysegError, match="is no host: give a name"):
        allowed_hosts(["--allow-host", text])


def test_every_answer_has_the_headers(client: TestClient) -> None:
    headers = client.get("/x").headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["referrer-policy"] == "same-origin"
    policy = headers["content-security-policy"]
    assert "frame-ancestors 'self'" in policy
    assert "default-src 'self'" in policy
    assert "'unsafe-eval'" not in policy
    assert "'unsafe-inline'" not in policy.partition("script-src")[2].partition(";")[0]


def test_the_base_path_is_added_where_a_proxy_took_it_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    client = client_of(monkeypatch, base="seg/app")
    asked = ("/seg/app/browse", "/browse", "/seg/app", "/seg/apple")
    answers = [client.get(path).text for path in asked]
    assert answers == ["/seg/app/browse", "/seg/app/browse", "/seg/app", "/seg/app/seg/apple"]
