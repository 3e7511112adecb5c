"""How the studio ends, and the address that it prints."""

import re
import signal
import subprocess
import sys
import threading
import time
from urllib.parse import parse_qs, urlsplit
from urllib.request import Request, urlopen

from disc import cli
from disc.studio.request import StudioRequest
from disc.studio.serve import tell_address
from disc.studio.workshop import Workshop
from tests.studio.conftest import SIDE

ENDS = 120
"""Seconds that a busy machine may take to begin and to end."""


def begin_tile(address, side):
    """Ask for a tile of many steps; the answer, once the network is at work on it."""
    asked = Request(f"{address}api/pictures?columns=sd&steps=999&count=4", bytes(side * side))
    answer = urlopen(asked, timeout=ENDS)
    assert any(line == b"event: progress\n" for line in answer), "the work ended before it began"
    return answer


def test_two_interrupts_end_it_without_a_trace_while_it_computes(run):
    words = [sys.executable, "-m", "disc", "studio", str(run), "--port", "0"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen(words, **pipes) as process:
        late = threading.Timer(ENDS, process.kill)
        late.start()
        said = process.stdout.readline()
        assert "Ctrl-C ends it" in said
        with begin_tile(re.search(r"http://\S+", said)[0], SIDE):
            process.send_signal(signal.SIGINT)
            time.sleep(0.02)
            process.send_signal(signal.SIGINT)
            rest = process.stdout.read()
        process.wait()
        late.cancel()
    assert (rest, process.returncode) == ("studio ended\n", 0)


def test_it_says_that_it_ended_however_it_did(monkeypatch, capsys):
    """Of two interrupts, none may be left as an exception."""
    monkeypatch.setattr("disc.studio.serve.serve_studio", lambda request: None)
    assert cli.studio(StudioRequest()) == 0
    assert capsys.readouterr().out == "studio ended\n"


def test_the_end_waits_for_the_step_that_is_computed():
    import asyncio

    done, begun = [], threading.Event()

    def work(task):
        begun.set()
        time.sleep(0.2)
        done.append("step")
        task.check()
        done.append("another")

    async def give():
        workshop = Workshop()
        workshop.submit(work)
        assert await asyncio.to_thread(begun.wait, 10)
        workshop.close(wait_s=10)

    asyncio.run(give())
    assert done == ["step"]


def test_the_printed_address_holds_the_token_whatever_its_signs():
    token = 'a+b&c=d%41#e/"f?'
    address = tell_address(StudioRequest(token=token), 80)
    assert parse_qs(urlsplit(address).fragment)["token"] == [token]
