"""What the page asks for."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from pydantic import BaseModel, ConfigDict, ValidationError

from disc.api import Model
from disc.asked import Masks
from disc.files import BadInput, require
from disc.studio.about import describe
from disc.studio.bundle import encode_labels, name_picture, pack_picture, pack_tile
from disc.studio.guard import JSON_BYTES, PNG_BYTES, read_body, tell_failure
from disc.studio.neighbours import Neighbours
from disc.studio.pictures import MAX_SEED, MAX_SEEDS, Column, Order, Painter, judge
from disc.studio.quiz import MAX_QUESTIONS, Quiz, check_reader
from disc.studio.sources import DRAWN, parse_png, pick_real, pick_recipe, tell_lacking
from disc.studio.workshop import Event, Task, Workshop


@dataclass(frozen=True)
class Studio:
    """All that answers are made with."""

    model: Model
    workshop: Workshop
    painter: Painter
    neighbours: Neighbours
    quiz: Quiz


def _studio_of(request: Request) -> Studio:
    studio: Studio = request.app.state.studio
    return studio


Here = Annotated[Studio, Depends(_studio_of)]
Seed = Annotated[int, Query(ge=0, lt=MAX_SEED)]
Grade = Annotated[int, Query(ge=0, le=5)]
router = APIRouter(prefix="/api")


class Answer(BaseModel):
    """An answer to a question of the quiz."""

    model_config = ConfigDict(extra="forbid", strict=True)
    answer: str
    reader: str = ""


@router.get("/about")
async def tell_about(studio: Here) -> JSONResponse:
    """What the weights are, and what can be done with them."""
    return JSONResponse(describe(studio.model, studio.workshop.deadline_s))


@router.post("/pictures")
async def make_pictures(
    request: Request,
    studio: Here,
    columns: Annotated[str, Query(max_length=400)],
    *,
    seed: Seed = 0,
    count: Annotated[int, Query(ge=1, le=MAX_SEEDS)] = 1,
    steps: Annotated[int | None, Query(ge=1, le=999)] = None,
    read: bool = True,
) -> Response:
    """Tiles from the mask in the body, as they come: server-sent events."""
    mask = await _read_mask(request, studio.model.tile_px)
    order = Order(
        mask=mask,
        columns=tuple(Column.parse(text) for text in columns.split(",") if text),
        seeds=tuple(range(seed, seed + count)),
        steps=steps,
        is_read=read and "referee" not in studio.model.lacking,
    )
    studio.painter.check(order)
    return _stream(studio.workshop, lambda task: studio.painter.paint(order, task))


@router.get("/pictures/{name}.zip")
async def download_picture(name: str, studio: Here) -> Response:
    """A picture with its mask and all that is known of it."""
    picture = studio.painter.shelf.get(name)
    data = pack_picture(picture, studio.model.um_per_px)
    kept = {"content-disposition": f'attachment; filename="{name_picture(picture)}.zip"'}
    return Response(data, media_type="application/zip", headers=kept)


@router.post("/pictures/{name}/nearest")
async def find_nearest(name: str, studio: Here) -> Response:
    """The real training tile that looks most like a picture: server-sent events."""
    for part in ("tiles", "referee"):
        if part in studio.model.lacking:
            raise BadInput(studio.model.lacking[part])
    picture = studio.painter.shelf.get(name)
    return _stream(studio.workshop, lambda task: studio.neighbours.find(picture.tile, task))


@router.post("/masks/png")
async def read_png(request: Request, studio: Here, values: str = "") -> Response:
    """Classes, one byte a pixel, of the PNG in the body."""
    data = await read_body(request, PNG_BYTES)
    return _as_bytes(parse_png(data, studio.model.tile_px, values))


@router.get("/masks/recipe")
async def draw_recipe(
    studio: Here, primary: Grade, secondary: Grade, seed: Seed = 0
) -> JSONResponse:
    """A mask for a Gleason score, and which of its grades it lacks."""
    _refuse_lack(studio.model, "shapes")
    mask = await studio.workshop.finish(
        lambda _: pick_recipe(studio.model, primary, secondary, seed)
    )
    lacking = tell_lacking(mask, primary, secondary)
    return JSONResponse(
        {"mask": base64.b64encode(mask.tobytes()).decode(), "lacking": lacking, "drawn": DRAWN}
    )


@router.get("/masks/real")
async def give_real(studio: Here, seed: Seed = 0) -> JSONResponse:
    """A test tile and its mask."""
    _refuse_lack(studio.model, "tiles")
    return JSONResponse(await studio.workshop.finish(lambda _: pick_real(studio.model, seed)))


@router.post("/quiz")
async def begin_quiz(
    studio: Here,
    column: Annotated[str, Query(max_length=80)],
    num: Annotated[int, Query(ge=1, le=MAX_QUESTIONS)] = 12,
    reader: Annotated[str, Query(max_length=400)] = "",
) -> Response:
    """A round of questions: server-sent events; a name that no answer could have is refused."""
    _refuse_lack(studio.model, "tiles")
    check_reader(reader)
    asked = Column.parse(column)
    plain = np.zeros((studio.model.tile_px,) * 2, np.uint8)
    studio.painter.check(Order(mask=plain, columns=(asked,), seeds=(0,)))
    return _stream(studio.workshop, lambda task: studio.quiz.begin(asked, num, task))


@router.get("/quiz/{name}/{number}.png")
async def show_question(name: str, number: int, studio: Here) -> Response:
    """The tile of a question."""
    return Response(studio.quiz.picture(name, number), media_type="image/png")


@router.post("/quiz/{name}/{number}")
async def answer_question(name: str, number: int, request: Request, studio: Here) -> JSONResponse:
    """Note an answer."""
    data = await read_body(request, JSON_BYTES)
    try:
        given = Answer.model_validate_json(data)
    except ValidationError as error:
        raise BadInput('expected {"answer": "real" or "synthetic", "reader": "a name"}') from error
    left = studio.quiz.answer(name, number, given.answer, given.reader)
    return JSONResponse({"left": left})


@router.get("/quiz/{name}")
async def tell_result(name: str, studio: Here) -> JSONResponse:
    """What was right, once all is answered."""
    return JSONResponse(studio.quiz.result(name))


async def _read_mask(request: Request, side: int) -> Masks:
    body = await read_body(request, max(side * side, JSON_BYTES))
    require(
        len(body) == side * side,
        f"the mask has {len(body):,} bytes; expected {side * side:,}: {side} x {side} pixels",
    )
    return np.frombuffer(bytearray(body), np.uint8).reshape(side, side)


def _refuse_lack(model: Model, part: Any) -> None:
    if part in model.lacking:
        raise BadInput(model.lacking[part])


def _as_bytes(mask: Masks) -> Response:
    return Response(encode_labels(mask), media_type="application/octet-stream")


def _stream(workshop: Workshop, work: Callable[[Task], Any]) -> StreamingResponse:
    """Queue some work; what happens to it is told as server-sent events."""
    task = workshop.submit(work)

    async def lines() -> AsyncIterator[bytes]:
        async for event in workshop.follow(task):
            data = json.dumps(_as_json(event))
            yield f"event: {event.kind}\ndata: {data}\n\n".encode()

    return StreamingResponse(lines(), media_type="text/event-stream")


def _as_json(event: Event) -> Any:
    if event.kind == "failed":
        return {"error": tell_failure(event.data)}
    if event.kind != "picture":
        return event.data
    column, name, picture = event.data
    return {
        "column": column,
        "name": name,
        "facts": picture.facts,
        "tile": base64.b64encode(pack_tile(picture)).decode(),
        "reading": base64.b64encode(encode_labels(picture.reading)).decode(),
        **judge(picture),
    }
