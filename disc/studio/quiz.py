"""A blind quiz: real or synthetic? Answers are kept in a table, counts come with an interval."""

from __future__ import annotations

import csv
import io
import secrets
import unicodedata
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Any

import imagecodecs
import numpy as np
from scipy.stats import binomtest

from disc.asked import Masks, Tiles
from disc.data.pixels.images import encode_jpeg, encode_png
from disc.data.tiles.records import Tile
from disc.files import BadInput, append_line, open_file, read_bytes, require
from disc.labels import IGNORE
from disc.seeds import numpy_generator
from disc.studio.pictures import Column, Painter
from disc.studio.workshop import Task

COLUMNS = (
    *("time", "round", "question", "reader", "variant", "plan", "checkpoint", "tile", "seed"),
    *("truth", "answer", "is_right"),
)
REAL, SYNTHETIC = "real", "synthetic"
MAX_QUESTIONS, MAX_BYTES, MAX_ROUNDS = 40, 2**26, 64
"""Of a round; of all rounds that are kept."""
_MAX_HEADER = 2**12
"""Bytes of a table's first line that are looked at."""
MAX_NAME = 40
"""Characters of a reader's name."""
_SIGNS = frozenset(" .-_'\u2019")
"""What a name may hold beside letters and digits; no sign with which a table's cell turns into
something else."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """A tile, and what it is."""

    png: bytes
    truth: str
    tile: str
    """The real tile that it is, or whose mask it was made from."""
    seed: int


@dataclass(frozen=True, kw_only=True)
class Round:
    """Questions to one reader, and the answers so far."""

    column: Column
    checkpoint: str
    """The hash of the weights that its synthetic tiles come from."""
    questions: tuple[Question, ...]
    answers: dict[int, str] = field(default_factory=dict)


class Quiz:
    """Rounds that are being played, and the table of all answers."""

    def __init__(self, painter: Painter, table: Path) -> None:
        """Of a painter's model; the table is written with the first answer."""
        self.painter, self.model, self.table = painter, painter.model, table
        self._rounds: OrderedDict[str, Round] = OrderedDict()
        self._lock = Lock()

    def begin(self, column: Column, num: int, task: Task) -> dict[str, Any]:
        """Draw a round: of each tile chance says whether it is shown or made anew from its mask.

        Real tiles are of patients that the generator has not seen. Synthetic ones go through the
        JPEG that real ones come from, and so do real ones that come from none, so that compression
        cannot tell them apart.

        Raises:
            BadInput: if there are too few real tiles, or the table has other columns.
        """
        self._refuse_other_table()
        tiles, seed = self.model.real_tiles("test"), secrets.randbits(48)
        rng = numpy_generator(seed, "quiz")
        order = iter(rng.permutation(len(tiles)).tolist())
        questions: list[Question] = []
        while len(questions) < num:
            index = next(order, None)
            if index is None:
                raise BadInput(f"{len(questions)} test tiles have a label; ask fewer questions")
            mask, own = tiles.mask(index), seed + len(questions)
            if (mask == IGNORE).all():
                continue
            task.step(len(questions), num, "drawing questions")
            is_real = bool(rng.random() < 0.5)
            tile = tiles.image(index) if is_real else self._sample(mask, column, own, task)
            if not is_real or not _was_jpeg(tiles.tiles[index]):
                tile = _through_jpeg(tile)
            questions.append(
                Question(
                    png=encode_png(tile),
                    truth=REAL if is_real else SYNTHETIC,
                    tile=tiles.tiles[index].name,
                    seed=own,
                )
            )
        checkpoint = self.painter.find_checkpoint(column)
        kept = Round(column=column, checkpoint=checkpoint, questions=tuple(questions))
        return {"round": self._keep(kept), "num": num}

    def picture(self, name: str, number: int) -> bytes:
        """The tile of a question, as PNG without a word on what it is.

        Raises:
            BadInput: if there is no such question.
        """
        return self._question(name, number)[1].png

    def answer(self, name: str, number: int, answer: str, reader: str) -> int:
        """Note an answer; returns how many questions are left.

        Raises:
            BadInput: if it is none, was given before, or the reader's name cannot go into a table.
        """
        require(answer in (REAL, SYNTHETIC), f"the answer is {REAL} or {SYNTHETIC}")
        reader = check_reader(reader)
        found, question = self._question(name, number)
        with self._lock:
            require(number not in found.answers, "that question was answered before")
            row = {
                "time": datetime.now(UTC).isoformat(timespec="seconds"),
                "round": name,
                "question": number,
                "reader": reader,
                "variant": found.column.variant,
                "plan": found.column.plan or "",
                "checkpoint": found.checkpoint,
                "tile": question.tile,
                "seed": question.seed,
                "truth": question.truth,
                "answer": answer,
                "is_right": int(answer == question.truth),
            }
            self._write(row)
            found.answers[number] = answer
        return len(found.questions) - len(found.answers)

    def result(self, name: str) -> dict[str, Any]:
        """What was right of a round, and of all answers in the table to the same generator.

        Raises:
            BadInput: if there is no such round, or questions are open.
        """
        found = self._round(name)
        left = len(found.questions) - len(found.answers)
        require(not left, f"{left} questions are open; answers are told at the end")
        asked = [
            {
                "truth": question.truth,
                "answer": found.answers[number],
                "tile": question.tile,
                "seed": question.seed,
            }
            for number, question in enumerate(found.questions)
        ]
        mine = [row["truth"] == row["answer"] for row in asked]
        return {
            "questions": asked,
            "round": tell(mine),
            "all": tell(self._read(found)),
            "table": self.table.name,
        }

    def _sample(self, mask: Masks, column: Column, seed: int, task: Task) -> Tiles:
        return self.model.sample(
            mask,
            variant=column.variant,
            plan=column.plan,
            seed=seed,
            on_step=lambda *_: task.check(),
        )

    def _keep(self, kept: Round) -> str:
        name = secrets.token_hex(8)
        with self._lock:
            self._rounds[name] = kept
            while len(self._rounds) > 1 and (
                len(self._rounds) > MAX_ROUNDS or self._num_bytes() > MAX_BYTES
            ):
                self._rounds.popitem(last=False)
        return name

    def _num_bytes(self) -> int:
        return sum(len(one.png) for kept in self._rounds.values() for one in kept.questions)

    def _round(self, name: str) -> Round:
        found = self._rounds.get(name)
        if found is None:
            raise BadInput("that round is over; begin another")
        return found

    def _question(self, name: str, number: int) -> tuple[Round, Question]:
        found = self._round(name)
        require(0 <= number < len(found.questions), f"the round has no question {number}")
        return found, found.questions[number]

    def _header(self) -> str:
        """The first line of the table; nothing, if there is no table yet."""
        if not self.table.exists():
            return ""
        with open_file(self.table) as file:
            return file.readline(_MAX_HEADER).decode("utf-8-sig", "replace").strip()

    def _refuse_other_table(self) -> None:
        """Refuse to add rows to a table of other columns, as earlier versions wrote."""
        header = self._header()
        lacking = [name for name in COLUMNS if name not in header.split(",")]
        what = f" (it lacks {', '.join(lacking)})" if lacking else ""
        require(
            header in ("", ",".join(COLUMNS)),
            f"{self.table.name} has other columns than answers have now{what}; move it away, or "
            "start the studio with another --out",
        )

    def _write(self, row: Mapping[str, Any]) -> None:
        self._refuse_other_table()
        if not self._header():
            self.table.parent.mkdir(parents=True, exist_ok=True)
            append_line(self.table, ",".join(COLUMNS))
        text = io.StringIO()
        csv.DictWriter(text, COLUMNS, lineterminator="").writerow(dict(row))
        append_line(self.table, text.getvalue())

    def _read(self, played: Round) -> list[bool]:
        """Of each answer to tiles of the same weights, variant and plan, whether it was right."""
        rows = csv.DictReader(io.StringIO(read_bytes(self.table).decode("utf-8", "replace")))
        asked = {
            "variant": played.column.variant,
            "plan": played.column.plan or "",
            "checkpoint": played.checkpoint,
        }
        return [row["is_right"] == "1" for row in rows if asked.items() <= row.items()]


def check_reader(name: str) -> str:
    """A reader's name as it goes into the table, accents joined to their letters; "": none.

    Raises:
        BadInput: if it is none.
    """
    found = unicodedata.normalize("NFC", name)
    # L, M, N: letters, the marks that some scripts set beside them, digits
    is_plain = all(sign in _SIGNS or unicodedata.category(sign)[0] in "LMN" for sign in found)
    begins = found[:1].isalnum() or not found
    require(
        is_plain and begins and len(found) <= MAX_NAME,
        f"a reader's name begins with a letter or digit, and has at most {MAX_NAME} letters of any "
        "language, digits, spaces, dots, dashes and apostrophes",
    )
    return found


def tell(right: Iterable[bool]) -> dict[str, Any]:
    """Counts, and Wilson's 95 % interval of the fraction that was right; by chance it is a half."""
    given = list(right)
    if not given:
        return {"right": 0, "num": 0, "fraction": None, "low": None, "high": None}
    found = binomtest(sum(given), len(given))
    low, high = found.proportion_ci(0.95, method="wilson")
    return {
        "right": sum(given),
        "num": len(given),
        "fraction": round(sum(given) / len(given), 4),
        "low": round(float(low), 4),
        "high": round(float(high), 4),
    }


def _was_jpeg(tile: Tile) -> bool:
    """Whether a real tile is a JPEG as it is: what is cut or scaled anew shows none of it."""
    return tile.box_px is None and tile.image.suffix.lower() in (".jpg", ".jpeg")


def _through_jpeg(tile: Tiles) -> Tiles:
    found: Tiles = np.asarray(imagecodecs.jpeg8_decode(encode_jpeg(tile)), np.uint8)
    return found
