"""One worker, a bounded queue: what waits, what is refused, what is cancelled."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from disc.files import BadInput
from disc.studio.workshop import Full, Stopped, Workshop


@pytest.fixture
def workshop():
    made = Workshop(places=2, deadline_s=30)
    yield made
    made.close()


def run(work):
    """`asyncio.run` in a thread of its own: a browser's tests leave a loop in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


async def wait_for(condition):
    for _ in range(500):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never came to that")


async def last(workshop, task):
    return [event async for event in workshop.follow(task)][-1]


def test_work_is_done_one_by_one_in_order(workshop):
    seen, inside = [], []

    def work(number):
        def do(task):
            inside.append(number)
            assert len(inside) == 1
            task.step(1, 2)
            seen.append(number)
            inside.pop()
            return number

        return do

    async def ask():
        return await asyncio.gather(*(workshop.finish(work(number)) for number in range(2)))

    assert run(ask()) == [0, 1] == seen


def test_a_full_queue_refuses_and_a_cancelled_place_is_free(workshop):
    async def ask():
        go, begun = threading.Event(), threading.Event()
        first = workshop.submit(lambda _: (begun.set(), go.wait(30)))
        await wait_for(begun.is_set)
        waiting = [workshop.submit(lambda _: 1) for _ in range(2)]
        assert [(await task.heard.get()).data["before"] for task in waiting] == [0, 1]
        with pytest.raises(Full):
            workshop.submit(lambda _: 1)
        workshop.cancel(waiting[0])
        another = workshop.submit(lambda _: "done")
        go.set()
        assert (await last(workshop, another)).data == "done"
        assert (await last(workshop, first)).kind == "done"

    run(ask())


def test_who_stops_listening_cancels_the_work_at_its_next_step(workshop):
    async def ask():
        steps = []

        def work(task):
            while True:
                steps.append(1)
                task.step(len(steps), 100)

        listening = asyncio.create_task(workshop.finish(work))
        await wait_for(lambda: len(steps) > 3)
        listening.cancel()
        assert await workshop.finish(lambda _: "next") == "next"
        num = len(steps)
        await asyncio.sleep(0.05)
        assert len(steps) == num

    run(ask())


def test_what_work_raises_reaches_the_one_who_asked(workshop):
    def refuse(_):
        raise BadInput("no such thing")

    def stop(task):
        task.stopped.set()
        task.check()

    for work, error in ((refuse, BadInput), (stop, Stopped)):
        with pytest.raises(error):
            run(workshop.finish(work))
    assert run(workshop.finish(lambda _: 5)) == 5
