"""One worker for all work of the model: a bounded queue, progress, cancelling, a deadline."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

from disc.files import BadInput

PLACES = 16
"""Pieces of work that may wait."""
Work = Callable[["Task"], Any]


class Full(Exception):
    """No place is free in the queue."""


class Stopped(Exception):
    """Nobody wants the result any more."""


@dataclass(frozen=True)
class Event:
    """What happened to a piece of work.

    Attributes:
        kind: `queued`, `progress`, `picture`, `done` or `failed`.
        data: for people; of `done` the result, of `failed` the error.
    """

    kind: str
    data: Any


@dataclass(eq=False)
class Task:
    """A piece of work on its way; what it reports is heard in the event loop that asked for it."""

    work: Work
    deadline_s: float
    loop: asyncio.AbstractEventLoop
    heard: asyncio.Queue[Event] = field(default_factory=asyncio.Queue)
    stopped: threading.Event = field(default_factory=threading.Event)
    ends_at: float = float("inf")

    def check(self) -> None:
        """Stop here if nobody waits any more, or it takes too long.

        Raises:
            Stopped: in the first case.
            BadInput: in the second.
        """
        if self.stopped.is_set():
            raise Stopped
        if time.monotonic() > self.ends_at:
            raise BadInput(
                f"stopped after {self.deadline_s:g} seconds; ask for fewer steps or tiles, or "
                "start the studio with a longer --deadline-s"
            )

    def report(self, kind: str, data: Any) -> None:
        """Say something; nobody may be there to hear it."""
        if not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self.heard.put_nowait, Event(kind, data))

    def step(self, done: int, total: int, what: str = "") -> None:
        """Report progress, and stop here if `check` says so."""
        self.check()
        self.report("progress", {"done": done, "total": total, "what": what})

    def run(self) -> None:
        """Do it, and say how it ended."""
        self.ends_at = time.monotonic() + self.deadline_s
        try:
            self.check()
            self.report("done", self.work(self))
        except Exception as error:
            self.report("failed", error)


class Workshop:
    """One thread, which alone touches the networks; so that is the lock, too."""

    def __init__(self, *, places: int = PLACES, deadline_s: float = 120.0) -> None:
        """Start the thread."""
        self.places, self.deadline_s = places, deadline_s
        self._waiting: deque[Task] = deque()
        self._change = threading.Condition()
        self._is_open = True
        self._now: Task | None = None
        self._thread = threading.Thread(target=self._work, name="workshop", daemon=True)
        self._thread.start()

    def submit(self, work: Work) -> Task:
        """Put work into the queue, from within an event loop.

        Raises:
            Full: if no place is free.
        """
        task = Task(work, self.deadline_s, asyncio.get_running_loop())
        with self._change:
            if len(self._waiting) >= self.places:
                raise Full
            before = len(self._waiting)
            self._waiting.append(task)
            self._change.notify()
        task.heard.put_nowait(Event("queued", {"before": before}))
        return task

    def cancel(self, task: Task) -> None:
        """Give its place to others; work that was begun ends at its next step."""
        task.stopped.set()
        with self._change:
            if task in self._waiting:
                self._waiting.remove(task)

    async def follow(self, task: Task) -> AsyncIterator[Event]:
        """What happens to a task until it ends; whoever stops listening cancels it."""
        try:
            while True:
                event = await task.heard.get()
                yield event
                if event.kind in ("done", "failed"):
                    return
        finally:
            self.cancel(task)

    async def finish(self, work: Work) -> Any:
        """The result of some work.

        Raises:
            Full: if no place is free.
            Exception: what the work raises.
        """
        async for event in self.follow(self.submit(work)):
            if event.kind == "failed":
                raise event.data
            if event.kind == "done":
                return event.data
        raise Stopped

    def close(self, wait_s: float = 0.0) -> None:
        """End the thread at the next step of what it does now, for which so long is waited."""
        with self._change:
            self._is_open = False
            for task in (*self._waiting, *filter(None, [self._now])):
                task.stopped.set()
            self._change.notify()
        self._thread.join(wait_s)

    def _work(self) -> None:
        while True:
            with self._change:
                self._change.wait_for(lambda: self._waiting or not self._is_open)
                if not self._is_open:
                    return
                task = self._now = self._waiting.popleft()
            task.run()
            self._now = None
