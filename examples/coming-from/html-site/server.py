"""A web site with a form against forgery, cookies and a redirect after the login."""

import html
import secrets
from typing import Annotated

from fastapi import Cookie, FastAPI, Form, HTTPException
from fastapi.responses import HTMLResponse, RedirectResponse

app = FastAPI()
sessions: dict[str, str] = {}


def page(body: str) -> HTMLResponse:
    """Return a whole page."""
    return HTMLResponse(f"<!doctype html><html><body>{body}</body></html>")


@app.get("/")
async def home() -> HTMLResponse:
    """Show the first page."""
    return page("<h1>Welcome</h1>")


@app.get("/login")
async def form() -> HTMLResponse:
    """Show the form, and keep its secret in a cookie."""
    csrf = secrets.token_urlsafe(12)
    answer = page(
        f'<form method="post"><input type="hidden" name="csrf" value="{csrf}">'
        '<input name="name"><input name="password" type="password"></form>'
    )
    answer.set_cookie("csrf", csrf, httponly=True)
    return answer


@app.post("/login")
async def sign_in(
    csrf: Annotated[str, Form()],
    name: Annotated[str, Form()],
    password: Annotated[str, Form()],
    cookie: Annotated[str, Cookie(alias="csrf")] = "",
) -> RedirectResponse:
    """Greet who has the form's secret and the password."""
    if not cookie or cookie != csrf or password != f"pass-{name}":
        raise HTTPException(403, "forged form, or wrong password")
    session = secrets.token_urlsafe(12)
    sessions[session] = name
    answer = RedirectResponse("/welcome", 303)
    answer.set_cookie("session", session, httponly=True)
    return answer


@app.get("/welcome")
async def welcome(session: Annotated[str, Cookie()] = "") -> HTMLResponse:
    """Greet."""
    return page(f"<p>Hello {html.escape(known(session))}</p>")


@app.get("/account")
async def account(session: Annotated[str, Cookie()] = "") -> HTMLResponse:
    """Show the account."""
    return page(f"<p>Account of {html.escape(known(session))}</p>")


def known(session: str) -> str:
    """Return whose session it is."""
    if session not in sessions:
        raise HTTPException(403, "sign in first")
    return sessions[session]
