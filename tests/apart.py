"""A process for a test: with limits of its own, and all modules that this one has loaded."""

import multiprocessing
import resource
import warnings
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any


def call_apart(work: Callable[[], Any], patience_s: float, limits: dict[int, int]) -> Any:
    """What some work returns in a copy of this process: to start one anew takes seconds.

    Args:
        work: what is done there.
        patience_s: most seconds.
        limits: of resources, as `resource.setrlimit` takes them.

    Raises:
        AssertionError: if it fails, hangs or is killed there.
    """

    def act(answers: Connection) -> None:
        for kind, limit in limits.items():
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
