"""Messages to servers that answer, refuse, are slow or dead, and to a stand-in for Apprise."""

import sys
import threading
import types
from typing import Any, ClassVar

import pytest
from webhook import Webhook

from cityseg.jobs import delivery
from cityseg.jobs.delivery import Answer, Message, deliver, is_webhook

MESSAGE = Message("1 end", "end", "run-1", "cityseg: run-1", "It has ended ✓.", "host", "2026")
UNKNOWN = Answer(True, "the server took it and gave no answer")


def test_a_webhook_gets_the_message_as_json(webhook: Webhook) -> None:
    assert deliver(webhook.url, MESSAGE) == Answer(True)
    assert webhook.posts == [
        {
            "id": "1 end",
            "event": "end",
            "run": "run-1",
            "title": "cityseg: run-1",
            "text": "It has ended ✓.",
            "host": "host",
            "time": "2026",
        }
    ]
    assert webhook.headers[0]["Content-Type"] == "application/json"
    assert "Authorization" not in webhook.headers[0]


def test_an_account_in_the_url_becomes_a_header(webhook: Webhook) -> None:
    url = webhook.url.replace("http://", "HTTP://ann:p%40ss@") + "#part"
    assert is_webhook(url)
    assert deliver(url, MESSAGE) == Answer(True)
    assert webhook.headers[0]["Authorization"] == "Basic YW5uOnBAc3M="  # ann:p@ss


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503])
def test_a_temporary_refusal_may_be_repeated(webhook: Webhook, status: int) -> None:
    webhook.statuses = [status]
    assert deliver(webhook.url, MESSAGE) == Answer(False, f"the server answered {status}")


@pytest.mark.parametrize("status", [301, 302, 307, 400, 401, 404, 410])
def test_a_lasting_refusal_is_final_and_no_redirect_is_followed(
    webhook: Webhook, status: int
) -> None:
    webhook.statuses = [status]
    assert deliver(webhook.url, MESSAGE) == Answer(True, f"the server answered {status}")
    assert len(webhook.posts) == 1


def test_a_dead_server_may_be_tried_again(closed_port: str) -> None:
    problem = "the server cannot be reached (Connection refused)"
    assert deliver(closed_port, MESSAGE) == Answer(False, problem)


def test_a_slow_server_is_waited_for(webhook: Webhook) -> None:
    webhook.may_answer.clear()

    def answer_late() -> None:
        webhook.received.wait()
        webhook.may_answer.set()

    thread = threading.Thread(target=answer_late)
    thread.start()
    assert deliver(webhook.url, MESSAGE) == Answer(True)
    thread.join()


def test_without_an_answer_it_may_have_arrived_and_is_not_repeated(
    webhook: Webhook, black_hole: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    webhook.may_answer.clear()
    assert deliver(webhook.url, MESSAGE, seconds=0.05) == UNKNOWN
    monkeypatch.setattr(delivery, "ANSWER_SECONDS", 0.05)
    assert deliver(black_hole, MESSAGE) == UNKNOWN


@pytest.mark.parametrize(
    "url",
    ["http://", "http://[secret/", "http://a:secret/", "https://a/\x01secret", "http://ü\udc80/"],
)
def test_a_url_that_is_none_is_reported_without_a_part_of_it(url: str) -> None:
    assert deliver(url, MESSAGE) == Answer(True, "the URL is not valid")


# Apprise


class _Apprise:
    """Knows services that are called fine, broken and wild."""

    sent: ClassVar[list[dict[str, str]]] = []

    def add(self, url: str) -> bool:
        self.service = url.partition("://")[0]
        return self.service in ("fine", "broken", "wild")

    def notify(self, **message: str) -> bool:
        if self.service == "wild":
            raise RuntimeError("wild://secret")
        self.sent.append(message)
        return self.service == "fine"


@pytest.fixture
def apprise(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, str]]:
    package: Any = types.ModuleType("apprise")
    package.Apprise = _Apprise
    monkeypatch.setitem(sys.modules, "apprise", package)
    monkeypatch.setattr(_Apprise, "sent", [])
    return _Apprise.sent


def test_other_urls_go_through_apprise(apprise: list[dict[str, str]]) -> None:
    assert deliver("fine://secret", MESSAGE) == Answer(True)
    assert apprise == [{"title": "cityseg: run-1", "body": "It has ended ✓."}]


@pytest.mark.parametrize(
    ("url", "answer"),
    [
        ("broken://secret", Answer(False, "Apprise could not deliver it")),
        ("wild://secret", Answer(False, "RuntimeError")),
        ("secret", Answer(True, "Apprise does not know its service")),
    ],
)
@pytest.mark.usefixtures("apprise")
def test_failures_of_apprise_are_reported_without_the_url(url: str, answer: Answer) -> None:
    assert deliver(url, MESSAGE) == answer


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # in modules that Apprise imports
def test_apprise_itself_delivers_to_a_server(webhook: Webhook) -> None:
    url = webhook.url.replace("http://", "json://")
    assert deliver(url, MESSAGE) == Answer(True)
    (post,) = webhook.posts
    assert (post["title"], post["message"]) == ("cityseg: run-1", "It has ended ✓.")
    webhook.statuses = [500]
    assert deliver(url, MESSAGE) == Answer(False, "Apprise could not deliver it")
    assert deliver("nowhere://secret", MESSAGE) == Answer(True, "Apprise does not know its service")


def test_without_apprise_a_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    text = "the package apprise is not installed: run `pip install 'cityseg[notify]'`"
    assert deliver("tgram://secret", MESSAGE) == Answer(True, text)
