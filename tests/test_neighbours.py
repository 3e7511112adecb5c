"""A run beside other work is told of it, where threads would wait for each other."""

from types import SimpleNamespace

import pytest

from disc import neighbours


def occupy(monkeypatch, busy):
    """A machine on whose core others compute for so many of every hundred ticks."""
    ticks = iter((0, 1))

    def text():
        n = next(ticks)
        own = f"cpu7 {busy * n} 0 0 {(100 - busy) * n} 0 0 0 0 0 0"
        return f"cpu  1 1 1 1\n{own}\ncpu8 0 0 0 0 0 0 0 0\n"

    monkeypatch.setattr(neighbours.os, "sched_getaffinity", lambda _: {7})
    monkeypatch.setattr(type(neighbours.STAT), "read_text", lambda _: text())
    monkeypatch.setattr(neighbours, "SECONDS", 0.0)


@pytest.mark.parametrize(("busy", "said"), [(90, True), (5, False)])
def test_a_busy_machine_is_called_busy(monkeypatch, busy, said):
    occupy(monkeypatch, busy)
    found = neighbours.tell_busy("; wait")
    text = "this machine is busy: other processes take 0.9 of the 1 core(s) that this one may use"
    assert found == ([f"{text}; wait"] if said else [])


@pytest.mark.parametrize(
    ("threads", "cores", "device", "said"),
    [("", 2, "cpu", True), ("1", 2, "cpu", False), ("2", 1, "cpu", False), ("", 2, "cuda", False)],
)
def test_threads_that_would_wait_are_warned_of(monkeypatch, threads, cores, device, said):
    occupy(monkeypatch, 90)
    monkeypatch.setenv("OMP_NUM_THREADS", threads)
    monkeypatch.setattr(neighbours, "num_cores", lambda: cores)
    monkeypatch.setattr(neighbours, "own_device", lambda: SimpleNamespace(type=device))
    found = neighbours.tell_threads()
    assert bool(found) is said
    assert not said or "OMP_NUM_THREADS=1 before the command" in found[0]
