"""The application: routes, the guard before them, and the files of the page."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.resources import files
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from disc.api import Model
from disc.studio.guard import HANDLED, Guard, answer_error
from disc.studio.neighbours import Neighbours
from disc.studio.pictures import Painter, Shelf
from disc.studio.quiz import Quiz
from disc.studio.routes import Studio, router
from disc.studio.workshop import PLACES, Workshop

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


def build_app(
    model: Model,
    answers: Path,
    *,
    token: str = "",
    is_local: bool = True,
    deadline_s: float = 120.0,
    places: int = PLACES,
) -> FastAPI:
    """The studio of a model.

    Args:
        model: generator and referee.
        answers: the quiz's table, the one file that is written.
        token: without which nothing but the page itself is given; "": none is needed.
        is_local: whether requests by another name than this machine's own are refused.
        deadline_s: seconds after which a piece of work is stopped.
        places: pieces of work that may wait.
    """
    workshop = Workshop(places=places, deadline_s=deadline_s)
    painter = Painter(model, Shelf())

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        workshop.close()

    # no pages of documentation, which load scripts from elsewhere
    app = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    app.state.studio = Studio(
        model=model,
        workshop=workshop,
        painter=painter,
        neighbours=Neighbours(model),
        quiz=Quiz(painter, answers),
    )
    app.state.page = _read_page()
    app.include_router(router)
    app.add_api_route("/", _give_page)
    app.add_api_route("/{name}", _give_page)
    for kind in HANDLED:
        app.add_exception_handler(kind, answer_error)
    app.add_middleware(Guard, token=token, is_local=is_local)
    return app


def _read_page() -> dict[str, tuple[bytes, str]]:
    """The page's files by name, read once: nothing else on the disk can be asked for."""
    folder = files("disc.studio").joinpath("page")
    return {
        item.name: (item.read_bytes(), TYPES[Path(item.name).suffix])
        for item in folder.iterdir()
        if Path(item.name).suffix in TYPES
    }


async def _give_page(request: Request, name: str = "index.html") -> Response:
    page: dict[str, tuple[bytes, str]] = request.app.state.page
    if name not in page:
        raise HTTPException(404, "no such page")
    data, kind = page[name]
    return Response(data, media_type=kind)
