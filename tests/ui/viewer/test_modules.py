"""The viewer's modules reach the browser whole, of one version, as JavaScript."""

import re

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from cityseg.ui.viewer.modules import LOADER, ROUTE

IMPORT = re.compile(r'(?:from|import|new URL\()\s*"\./([\w.]+)"')


@pytest.fixture
def client() -> TestClient:
    return TestClient(Starlette(routes=[ROUTE]))


def main_address() -> str:
    found = re.search(r'new URL\("(viewer/\w+/main\.js)", document\.baseURI\)', LOADER)
    assert found
    return found[1]


def imported_from(client: TestClient, address: str) -> set[str]:
    """The addresses that the browser fetches for the module at `address`, its own included."""
    fetched: set[str] = set()
    wanted = {address}
    while wanted:
        address = wanted.pop()
        answer = client.get(address)
        assert answer.status_code == 200, address
        fetched.add(address)
        folder = address.rpartition("/")[0]
        wanted |= {f"{folder}/{name}" for name in IMPORT.findall(answer.text)} - fetched
    return fetched


def test_every_module_that_is_imported_is_served(client: TestClient) -> None:
    names = {address.rpartition("/")[2] for address in imported_from(client, main_address())}
    assert {"main.js", "viewer.js", "worker.js", "png.js"} <= names


def test_modules_are_javascript_that_may_be_kept(client: TestClient) -> None:
    headers = client.get(main_address()).headers
    assert headers["content-type"] == "text/javascript; charset=utf-8"
    assert headers["cache-control"] == "private, max-age=31536000, immutable"


@pytest.mark.parametrize("name", ["none.js", "../component.py", "..%2Fcomponent.py"])
def test_nothing_else_is_served(client: TestClient, name: str) -> None:
    answer = client.get(main_address().replace("main.js", name))
    assert answer.status_code in (404, 410)
    assert "import" not in answer.text


def test_another_version_is_refused_and_the_answer_not_kept(client: TestClient) -> None:
    answer = client.get("/viewer/0123456789abcdef/main.js")
    assert answer.status_code == 410
    assert answer.text == "This server has another viewer: reload the page."
    assert answer.headers["cache-control"] == "no-store"
