"""A process for a test: with limits of its own, and all modules that this one has loaded."""

import multiprocessing
import resource
import warnings
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

TAKEN = {resource.RLIMIT_AS: 0, resource.RLIMIT_DATA: 5}
"""Where /proc/self/statm tells, in pages, how much of what is limited a process has taken."""


def call_apart(work: Callable[[], Any], patience_s: float, kind: int, room: int) -> Any:
    """What some work returns in a copy of this process: to start one anew takes seconds.

    Args:
        work: what is done there.
        patience_s: most seconds.
        kind: of memory that is limited there, of `TAKEN`.
        room: bytes of it beyond what this process has taken.

    Raises:
        AssertionError: if it fails, hangs or is killed there.
    """

    def act(answers: Connection) -> None:
        pages = int(Path("/proc/self/statm").read_text().split()[TAKEN[kind]])
        limit = pages * resource.getpagesize() + room
        resource.setrlimit(kind, (limit, limit))
        answers.send(work())

    answer, answers = multiprocessing.Pipe(duplex=False)
    with warnings.catch_warnings():
        # newer Pythons warn of threads, of which none holds a lock that tests need
        warnings.simplefilter("ignore", DeprecationWarning)
        process = multiprocessing.get_context("fork").Process(target=act, args=(answers,))
        process.start()
    answers.close()
    try:
        has_answer = answer.poll(patience_s)
        assert has_answer, f"no answer in {patience_s} s"
        return answer.recv()
    except EOFError:
        process.join()
        raise AssertionError(f"the process ended with {process.exitcode}") from None
    finally:
        process.kill()
        process.join()
