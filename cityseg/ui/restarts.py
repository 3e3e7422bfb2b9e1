"""Rerun the script of every open page after the server was restarted.

Streamlit reconnects by itself but runs nothing then, so parts that follow a job would stand still
until the page is reloaded. An invisible component asks which process serves the page, and reruns
the script when the answer differs.

A page that was being opened while the server was away lacks some of Streamlit's scripts, and shows
an error in their place for ever. The component loads such a page again, at most once a minute.
"""

import secrets
from typing import Final

import streamlit as st
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

#: Differs between this process and the one before it.
_SERVER_ID: Final = secrets.token_hex(8)
#: Relative to the page, as a reverse proxy may serve the app below a path of its own.
_ADDRESS: Final = "server"

_component = st.components.v2.component(
    "cityseg_restarts",
    html="<span hidden></span>",
    js="""
const lacksScripts = () =>
  [...document.querySelectorAll("[data-testid=stAlertContentError]")].some((each) =>
    each.innerText.includes("dynamically imported module"),
  );
const reload = () => {
  const last = Number(sessionStorage.getItem("cityseg-reload") ?? 0);
  if (Date.now() - last < 60_000) return;
  sessionStorage.setItem("cityseg-reload", String(Date.now()));
  location.reload();
};
export default function ({ data, setTriggerValue }) {
  const ask = async () => {
    try {
      const answer = await fetch(data.address, { cache: "no-store" });
      if (!answer.ok) return;
      if (lacksScripts()) reload();
      else if ((await answer.text()) !== data.server) setTriggerValue("restarted", true);
    } catch {
      // The server is down: ask again at the next tick.
    }
  };
  const timer = setInterval(ask, 2000);
  return () => clearInterval(timer);
}
""",
)


def follow() -> None:
    """Rerun this page's script after a restart of the server."""
    _component(
        key="restarts",
        data={"server": _SERVER_ID, "address": _ADDRESS},
        # Without a callback Streamlit drops the trigger; the rerun that it causes is all we need.
        on_restarted_change=lambda: None,
    )


def _answer(request: Request) -> PlainTextResponse:
    return PlainTextResponse(_SERVER_ID, headers={"Cache-Control": "no-store"})


ROUTE: Final = Route(f"/{_ADDRESS}", _answer)
