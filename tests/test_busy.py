"""A run beside other work is told of it, where threads would wait for each other."""

from types import SimpleNamespace

import pytest

from disc import busy


def occupy(monkeypatch, taken, cores=1):
    """A machine on whose first core others compute for so many of every hundred ticks."""
    ticks = iter((0, 1))

    def text():
        n = next(ticks)
        shares = [taken, *[0] * (cores - 1)]
        rows = [f"cpu{7 + i} {s * n} 0 0 {(100 - s) * n} 0 0 0 0" for i, s in enumerate(shares)]
        return "\n".join(["cpu  1 1 1 1", *rows, "cpu99 0 0 0 0 0 0 0 0", ""])

    monkeypatch.setattr(
        busy.os, "sched_getaffinity", lambda _: set(range(7, 7 + cores)), raising=False
    )
    monkeypatch.setattr(type(busy.STAT), "read_text", lambda _: text())
    monkeypatch.setattr(busy, "SECONDS", 0.0)


@pytest.mark.parametrize(("taken", "said"), [(90, True), (5, False)])
def test_a_busy_machine_is_called_busy(monkeypatch, taken, said):
    occupy(monkeypatch, taken)
    found = busy.tell_busy("; wait")
    text = "this machine is busy: other processes take 0.9 of the 1 core(s) that this one may use"
    assert found == ([f"{text}; wait"] if said else [])


@pytest.mark.parametrize(
    ("threads", "cores", "device", "said"),
    [
        ("", (2, 2), "cpu", True),
        ("1", (2, 2), "cpu", False),
        ("", (1, 1), "cpu", False),
        ("", (2, 2), "cuda", False),
        ("", (2, 8), "cpu", False),  # a container's two of eight cores, of which seven are idle
        ("", (8, 8), "cpu", False),  # one of eight is missed by nobody
    ],
)
def test_threads_that_would_wait_are_warned_of(monkeypatch, threads, cores, device, said):
    """Cores: that the process may use at a time, and of how many."""
    occupy(monkeypatch, 90, cores[1])
    monkeypatch.setenv("OMP_NUM_THREADS", threads)
    monkeypatch.setattr(busy, "num_cores", lambda: cores[0])
    monkeypatch.setattr(busy, "own_device", lambda: SimpleNamespace(type=device))
    found = busy.tell_threads()
    assert bool(found) is said
    assert not said or "begin this run with OMP_NUM_THREADS=1 before" in found[0]


@pytest.mark.parametrize(
    ("told", "cores", "taken", "said"),
    [
        ("", 2, 0.5, "wait for each other: stop them"),
        ("2", 4, 1.9, ""),  # two of four are idle: enough
        ("3", 4, 1.9, "stop them, or begin this run with OMP_NUM_THREADS=2 before the command"),
    ],
)
def test_no_number_of_threads_is_advised_that_a_run_has(monkeypatch, told, cores, taken, said):
    monkeypatch.setenv("OMP_NUM_THREADS", told)
    monkeypatch.setattr(busy, "num_cores", lambda: cores)
    monkeypatch.setattr(busy, "measure_others", lambda _: (taken, cores))
    monkeypatch.setattr(busy, "own_device", lambda: SimpleNamespace(type="cpu"))
    (text,) = busy.tell_threads() or [""]
    assert said in text and bool(text) is bool(said)
    assert ("OMP_NUM_THREADS" in text) is ("OMP_NUM_THREADS" in said)


def test_where_the_system_does_not_say_nothing_is_said(monkeypatch):
    def refuse(_):
        raise PermissionError("/proc/stat")

    monkeypatch.setattr(type(busy.STAT), "read_text", refuse)
    assert busy.measure_others(0.0)[0] == 0
    assert not busy.tell_busy("")


def test_a_core_that_comes_meanwhile_is_left_out():
    assert busy.busy_cores({"cpu0": (0, 0)}, {"cpu0": (5, 10), "cpu1": (0, 10)}) == 0.5
