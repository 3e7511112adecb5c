"""What `disc studio` does: serve the page until it is interrupted."""

from __future__ import annotations

from disc.studio.request import StudioRequest
from disc.studio.serve import serve_studio


def open_studio(request: StudioRequest) -> int:
    """Serve the page; that it is ended is how it ends.

    Raises:
        FileNotFoundError: if there are no such weights.
        BadInput: if they cannot be used, or the page cannot be served.
    """
    try:
        serve_studio(request)
    except KeyboardInterrupt:
        print("studio ended")
    return 0
