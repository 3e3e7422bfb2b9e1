"""Connections of silent clients end, and those of slow ones do not; a real server and sockets."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from uvicorn.protocols.http.auto import AutoHTTPProtocol
from waiting import until

from cityseg.ui.connections import end_silent_connections

PATIENCE_SECONDS = 0.4
LARGE = b"x" * (32 << 20)


async def large(request: Request) -> Response:
    return Response(LARGE)


async def upload(request: Request) -> Response:
    return PlainTextResponse(str(len(await request.body())))


def slow(request: Request) -> Response:
    time.sleep(3 * PATIENCE_SECONDS)
    return PlainTextResponse("done")


@pytest.fixture(scope="module")
def server() -> Iterator[uvicorn.Server]:
    """A server whose connections end early."""

    class Watched(AutoHTTPProtocol):  # type: ignore[misc, valid-type]
        """A class of its own: the patience of the real one stays."""

    end_silent_connections(Watched, PATIENCE_SECONDS)
    app = Starlette(
        routes=[
            Route("/large", large),
            Route("/upload", upload, methods=["POST"]),
            Route("/slow", slow),
        ]
    )
    listener = socket.create_server(("127.0.0.1", 0))
    settings = uvicorn.Config(app, http=Watched, log_level="critical", timeout_keep_alive=0)
    server = uvicorn.Server(settings)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    server.config.port = listener.getsockname()[1]
    yield server
    server.should_exit = True
    thread.join()


@pytest.fixture
def port(server: uvicorn.Server) -> int:
    return server.config.port


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=60)


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET / HT",
        b"GET / HTTP/1.1\r\nHost: x\r\n",
        b"POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc",
    ],
    ids=["nothing", "line", "head", "body"],
)
def test_an_incomplete_request_ends(port: int, sent: bytes) -> None:
    with connect(port) as client:
        client.sendall(sent)
        assert is_ended(client)


def is_ended(client: socket.socket) -> bool:
    """Wait for the end; raises TimeoutError if it does not come."""
    try:
        while client.recv(1 << 16):
            pass
    except ConnectionResetError:
        pass
    return True


def test_a_head_that_comes_byte_by_byte_ends(port: int) -> None:
    with connect(port) as client:
        deadline = time.monotonic() + 20
        try:
            client.sendall(b"GET / HTTP/1.1\r\n")
            while time.monotonic() < deadline:
                client.sendall(b"X")
                client.settimeout(PATIENCE_SECONDS / 8)
                try:
                    if not client.recv(1):
                        return
                except TimeoutError:
                    continue
        except (ConnectionResetError, BrokenPipeError):
            return
        raise AssertionError("the connection is still open")


def test_an_answer_that_nobody_reads_ends(server: uvicorn.Server, port: int) -> None:
    before = set(server.server_state.connections)
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", port))
        client.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        until(lambda: set(server.server_state.connections) - before, "it was not accepted")
        # Asked of the server: the kernel keeps from a client that reads nothing that all is over.
        until(lambda: not set(server.server_state.connections) - before, "it is still open")


def test_a_body_that_comes_slowly_and_a_second_request_arrive(port: int) -> None:
    with connect(port) as client:
        client.sendall(b"POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\n")
        for _ in range(6):
            time.sleep(PATIENCE_SECONDS / 2)
            client.sendall(b"x")
        assert body(client) == b"6"
        client.sendall(b"POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx")
        assert body(client) == b"1"


def test_a_connection_between_two_requests_lasts(port: int) -> None:
    with connect(port) as idle, connect(port) as silent:
        for _ in range(2):
            idle.sendall(b"POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx")
            assert body(idle) == b"1"
            assert is_ended(silent)


def body(client: socket.socket) -> bytes:
    """The body of one byte that the next answer has."""
    answer = b""
    while not answer.partition(b"\r\n\r\n")[2]:
        received = client.recv(1 << 16)
        assert received, "the connection has ended"
        answer += received
    return answer.partition(b"\r\n\r\n")[2]


def test_an_answer_that_takes_long_arrives(port: int) -> None:
    with connect(port) as client:
        client.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = b"".join(iter(lambda: client.recv(1 << 16), b""))
    assert answer.endswith(b"done")


def test_the_class_is_extended_once() -> None:
    class Watched(AutoHTTPProtocol):  # type: ignore[misc, valid-type]
        pass

    end_silent_connections(Watched)
    extended = Watched.data_received
    end_silent_connections(Watched)
    assert Watched.data_received is extended
