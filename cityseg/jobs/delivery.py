"""A message to one URL: a webhook, or any service that Apprise knows.

URLs have secrets in them. No text that leaves this module contains one, or a part of one: messages
of other libraries, which may quote it, are replaced by sentences of our own.
"""

import base64
import http.client
import json
import logging
import ssl
import threading
import urllib.request
from dataclasses import asdict, dataclass
from typing import Any, Final, NamedTuple
from urllib.error import HTTPError, URLError
from urllib.parse import unquote, urlsplit

#: How long a server may take for each part of its answer, and a whole delivery may take.
ANSWER_SECONDS: Final = 15.0
WHOLE_SECONDS: Final = 60.0

#: Answers of a server that may be another one later, besides those from 500 on.
_TEMPORARY: Final = (408, 425, 429)


@dataclass(frozen=True, slots=True)
class Message:
    """What is delivered; a webhook gets it as a JSON object with these names."""

    id: str  # of the event: a receiver can ignore one that it has already
    event: str  # an EventKind
    run: str
    title: str
    text: str
    host: str
    time: str  # when the event was found, ISO 8601


class Answer(NamedTuple):
    """How a delivery went."""

    is_final: bool  # it must not be repeated
    problem: str = ""  # the end of a sentence; empty if the message was delivered


#: The message may have arrived: sent once more, it might arrive twice.
_UNKNOWN: Final = Answer(True, "the server took it and gave no answer")
_INVALID: Final = Answer(True, "the URL is not valid")
#: The end of a sentence.
NO_APPRISE: Final = "the package apprise is not installed: run `pip install 'cityseg[notify]'`"


def is_webhook(url: str) -> bool:
    """Whether `url` gets a JSON POST; the others are for Apprise."""
    return url.lower().startswith(("http://", "https://"))


def deliver(url: str, message: Message, seconds: float = WHOLE_SECONDS) -> Answer:
    """Deliver `message` to `url`; takes at most `seconds`, and raises nothing."""
    answers: list[Answer] = []
    send = _post if is_webhook(url) else _through_apprise

    def work() -> None:
        try:
            answers.append(send(url, message))
        except Exception as error:  # of any service that Apprise knows
            answers.append(Answer(False, type(error).__name__))

    # A timeout of a socket does not end an answer that comes byte by byte.
    thread = threading.Thread(target=work, name="cityseg-delivery", daemon=True)
    thread.start()
    thread.join(seconds)
    return answers[0] if answers else _UNKNOWN


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A POST that is redirected becomes a GET without the message."""

    def redirect_request(self, *_: Any) -> None:
        """Do not follow: the redirect becomes an HTTPError."""


def _post(url: str, message: Message) -> Answer:
    try:
        opener = urllib.request.build_opener(_NoRedirects)
        opener.open(_request(url, message), timeout=ANSWER_SECONDS).close()
    except (http.client.InvalidURL, ValueError):
        return _INVALID
    except HTTPError as error:
        error.close()
        is_temporary = error.code in _TEMPORARY or error.code >= 500
        return Answer(not is_temporary, f"the server answered {error.code}")
    except URLError as error:  # before the whole message was sent
        if isinstance(error.reason, str):  # urllib's own, such as "no host given"
            return _INVALID
        return Answer(False, f"the server cannot be reached ({_reason(error.reason)})")
    except (OSError, http.client.HTTPException):
        return _UNKNOWN
    return Answer(True)


def _request(url: str, message: Message) -> urllib.request.Request:
    parts = urlsplit(url)
    headers = {"Content-Type": "application/json", "User-Agent": "cityseg"}
    account, is_named, place = parts.netloc.rpartition("@")
    if is_named:
        plain = base64.b64encode(unquote(account).encode()).decode()
        headers["Authorization"] = f"Basic {plain}"
    address = parts._replace(netloc=place, fragment="").geturl()
    body = json.dumps(asdict(message)).encode()
    return urllib.request.Request(address, body, headers, method="POST")  # noqa: S310 - is_webhook


def _reason(reason: BaseException) -> str:
    if isinstance(reason, ssl.SSLError):
        return "its certificate is not valid"
    return getattr(reason, "strerror", None) or type(reason).__name__


def _through_apprise(url: str, message: Message) -> Answer:
    # What it logs may quote the URL.
    logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
    try:
        import apprise
    except ImportError:
        return Answer(True, NO_APPRISE)
    service = apprise.Apprise()
    if not service.add(url):
        return Answer(True, "Apprise does not know its service")
    if service.notify(title=message.title, body=message.text):
        return Answer(True)
    return Answer(False, "Apprise could not deliver it")
