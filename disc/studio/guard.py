"""What stands before every request: who may ask, how much, and what is said when it goes wrong."""

from __future__ import annotations

import asyncio
import secrets
import sys
from collections.abc import Callable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from disc.files import BadInput
from disc.studio.request import is_own_name
from disc.studio.workshop import Full, Stopped

PNG_BYTES, JSON_BYTES = 2**21, 2**12
"""Largest body of a PNG, and of an answer."""
BODY_SECONDS = 10.0
"""In which a body must have come."""
HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src 'self' blob: data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}


class Guard:
    """Middleware: headers, the names under which this machine may be called, the token, errors."""

    def __init__(self, app: ASGIApp, *, token: str, is_local: bool) -> None:
        """Before an application."""
        self.app, self.token, self.is_local = app, token, is_local

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or refuse, one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        has_begun = False

        async def send_with_headers(message: Message) -> None:
            nonlocal has_begun
            if message["type"] == "http.response.start":
                has_begun = True
                _add_headers(message)
            await send(message)

        try:
            refused = self._refuse(Request(scope))
            await (refused or self.app)(scope, receive, send_with_headers)
        except ClientDisconnect:
            return
        except Exception as error:
            # one line: a log is no place for what others send
            print(f"disc studio: {type(error).__name__} in {scope['path'][:80]!r}", file=sys.stderr)
            if not has_begun:
                await say(500, "something went wrong here")(scope, receive, send_with_headers)

    def _refuse(self, request: Request) -> Response | None:
        """Why a request is not even looked at; None: it is."""
        headers = request.headers
        host = _name_of(f"//{headers.get('host', '')}")
        if self.is_local and not is_own_name(host):
            return say(403, "this page answers to localhost and its addresses alone: 127.0.0.1")
        is_other = headers.get("sec-fetch-site", "none") in {"cross-site", "same-site"}
        origin = headers.get("origin")
        if origin is not None and origin.partition("://")[2] != headers.get("host"):
            is_other = True
        if not request.url.path.startswith("/api/"):
            return None
        if is_other:
            return say(403, "asked from another page")
        given = headers.get("authorization", "").removeprefix("Bearer ").encode()
        if self.token and not secrets.compare_digest(given, self.token.encode()):
            return say(401, "the token is missing or wrong; it ends the address that was printed")
        return None


async def read_body(request: Request, max_bytes: int) -> bytes:
    """The body of a request, if it is small and comes in time.

    Raises:
        HTTPException: 413 or 408, if not.
    """
    said = request.headers.get("content-length", "0")
    if not said.isdecimal() or int(said[:20]) > max_bytes:
        raise _too_large(max_bytes)
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > max_bytes:
                    raise _too_large(max_bytes)
    except TimeoutError:
        raise HTTPException(408, "the body did not come in time", {"connection": "close"}) from None
    return bytes(body)


def say(status: int, sentence: str, **headers: str) -> JSONResponse:
    """An answer that is one sentence."""
    return JSONResponse({"error": sentence}, status, headers)


def answer_error(_: Request, error: Exception) -> Response:
    """What a user is told of an error: a sentence, and the status that fits."""
    match error:
        case BadInput():
            return say(422, str(error))
        case Full():
            sentence = "too many wait already; try again in a moment"
            return say(429, sentence, **{"retry-after": "5"})
        case Stopped():
            return say(409, "stopped")
        case RequestValidationError():
            return say(422, _tell_fault(error))
        case HTTPException():
            response = say(error.status_code, str(error.detail))
            response.headers.update(error.headers or {})
            return response
    raise error


HANDLED: tuple[type[Exception], ...] = (
    *(BadInput, Full, Stopped),
    *(RequestValidationError, HTTPException),
)
Handler = Callable[[Request, Exception], Response]


def tell_failure(error: Exception) -> str:
    """An error of some work, for the one who asked; what is nobody's fault goes to the log too."""
    if isinstance(error, BadInput):
        return str(error)
    if isinstance(error, Stopped):
        return "stopped"
    print(f"disc studio: {type(error).__name__} while working", file=sys.stderr)
    return "something went wrong here"


def _tell_fault(error: RequestValidationError) -> str:
    first: MutableMapping[str, Any] = dict(error.errors()[0])
    place = ".".join(str(part) for part in first.get("loc", ())[1:])
    return f"{place or 'request'}: {str(first.get('msg', 'cannot be read')).lower()}"


def _too_large(max_bytes: int) -> HTTPException:
    sentence = f"too large; expected at most {max_bytes:,} bytes"
    return HTTPException(413, sentence, {"connection": "close"})


def _name_of(address: str) -> str | None:
    try:
        return urlsplit(address).hostname
    except ValueError:
        return None


def _add_headers(message: Message) -> None:
    known = {name.lower() for name, _ in message["headers"]}
    message["headers"] += [
        (name.encode(), value.encode())
        for name, value in HEADERS.items()
        if name.encode() not in known
    ]
