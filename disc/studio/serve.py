"""`disc studio`: open weights, listen, say where."""

from __future__ import annotations

import socket
import webbrowser
from urllib.parse import quote

from disc.api import load
from disc.files import BadInput
from disc.studio.request import StudioRequest

PATIENCE_S = 30.0
"""That the end waits for the step that is being computed."""


def serve_studio(request: StudioRequest) -> None:
    """Serve the page until it is interrupted.

    Raises:
        FileNotFoundError: if there are no such weights.
        BadInput: if the extra is not installed, the weights cannot be used, or the port is taken.
    """
    try:
        import fastapi  # noqa: F401 - asked for before weights are read
        import uvicorn
    except ModuleNotFoundError as error:
        raise BadInput(
            "the studio needs fastapi and uvicorn: pip install fastapi uvicorn"
        ) from error
    from disc.studio.app import build_app

    model = load(request.run)
    app = build_app(
        model,
        request.answers,
        token=request.token,
        is_local=request.is_local,
        deadline_s=request.deadline_s,
    )
    with _listen(request.host, request.port) as listening:
        address = tell_address(request, listening.getsockname()[1])
        print(f"studio of {model.weights.folder}: {address} (Ctrl-C ends it)", flush=True)
        if request.open:
            webbrowser.open(address)
        config = uvicorn.Config(
            app,
            # the guard tells in a line what goes wrong; traces of what a second Ctrl-C cuts short
            # are of no use to anybody
            log_level="critical",
            access_log=False,
            server_header=False,
            timeout_keep_alive=5,
            # seconds that Ctrl-C waits for a page whose tiles are being generated
            timeout_graceful_shutdown=5,
        )
        try:
            uvicorn.Server(config).run(sockets=[listening])
        finally:
            # Python that ends while a thread is within a network crashes
            app.state.studio.workshop.close(wait_s=PATIENCE_S)


def tell_address(request: StudioRequest, port: int) -> str:
    """Where the page is; the token stands behind #, which browsers do not send."""
    host = f"[{request.host}]" if ":" in request.host else request.host
    secret = f"#token={quote(request.token, safe='')}" if request.token else ""
    return f"http://{host}:{port}/{secret}"


def _listen(host: str, port: int) -> socket.socket:
    """A socket that takes connections at once, also those that come before they are answered."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=256)
    except OSError as error:
        raise BadInput(
            f"cannot listen on {host}, port {port} ({error.strerror}); give another with --port, "
            "or --port 0 for any that is free"
        ) from error
