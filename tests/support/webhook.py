"""A local server that takes notifications, and answers as a test wants."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest


class Webhook:
    """What was posted to it, and what it answers."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/hook"
        self.posts: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.statuses: list[int] = []  # of the next answers; 200 after these
        self.received = threading.Event()
        self.may_answer = threading.Event()
        self.may_answer.set()

    def take(self, handler: BaseHTTPRequestHandler) -> None:
        self.headers.append(dict(handler.headers))
        self.posts.append(json.loads(handler.rfile.read(int(handler.headers["Content-Length"]))))
        self.received.set()
        self.may_answer.wait()
        handler.send_response(self.statuses.pop(0) if self.statuses else 200)
        handler.send_header("Location", "/elsewhere")
        handler.end_headers()


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

        def do_POST(self) -> None:
            hook.take(self)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        hook = Webhook(server.server_address[1])
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield hook
        hook.may_answer.set()
        server.shutdown()
        thread.join()
