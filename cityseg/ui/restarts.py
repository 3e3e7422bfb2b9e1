"""After a restart of the server, bring the pages that are open back to life.

Streamlit connects again by itself, but runs nothing: parts that follow a job would stand still
until the page is reloaded. An unseen component asks which process serves it, and has the script
run again when that is another one.
"""

import secrets
from typing import Final

import streamlit as st
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

#: Tells this process from the one before.
_SERVER: Final = secrets.token_hex(8)
_ADDRESS: Final = "/server"

_component = st.components.v2.component(
    "cityseg_restarts",
    html="<span hidden></span>",
    js="""
export default function ({ data, setTriggerValue }) {
  const ask = async () => {
    try {
      const answer = await fetch(data.address, { cache: "no-store" });
      if (answer.ok && (await answer.text()) !== data.server) setTriggerValue("restarted", true);
    } catch {
      // The server is down: asked again.
    }
  };
  const timer = setInterval(ask, 2000);
  return () => clearInterval(timer);
}
""",
)


def follow() -> None:
    """Have the script run again after a restart of the server."""
    _component(
        key="restarts",
        data={"server": _SERVER, "address": _ADDRESS},
        on_restarted_change=lambda: None,  # the rerun is all that is wanted
    )


def _answer(request: Request) -> PlainTextResponse:
    return PlainTextResponse(_SERVER, headers={"Cache-Control": "no-store"})


ROUTE: Final = Route(_ADDRESS, _answer)
