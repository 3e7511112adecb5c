"""A studio on untrained networks: asked directly, and served to a browser."""

import contextlib
import json
import shutil
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import uvicorn
from fastapi.testclient import TestClient

import disc
from disc.studio.app import build_app
from tests.tiny_run import write_tiny_data, write_tiny_run

SIDE = 64
CHROMIUM = "/usr/bin/chromium"


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    return write_tiny_data(write_tiny_run(tmp_path_factory.mktemp("runs") / "tiny"))


@pytest.fixture(scope="session")
def model(run):
    return disc.load(run)


@pytest.fixture
def answers(tmp_path):
    return tmp_path / "studio" / "quiz.csv"


@pytest.fixture
def mask():
    """Three labels, and some of it unknown."""
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[:, 32:], mask[40:, :], mask[:4, :4] = 2, 3, 255
    return mask


@contextlib.contextmanager
def open_client(model, answers, **options):
    app = build_app(model, answers, **options)
    with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def client(model, answers):
    with open_client(model, answers) as client:
        yield client


def events(response):
    """What a stream said: (kind, data)."""
    assert response.status_code == 200, response.text
    lines = [part.split("\n") for part in response.text.strip().split("\n\n")]
    return [
        (kind.removeprefix("event: "), json.loads(data.removeprefix("data: ")))
        for kind, data in lines
    ]


def pictures(response):
    return [data for kind, data in events(response) if kind == "picture"]


@contextlib.contextmanager
def listen(app, port=0):
    """Let a studio listen; its address."""
    # a page that is open still would be waited for
    config = uvicorn.Config(
        app, port=port, log_level="critical", access_log=False, timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.02)
    (listening,) = server.servers[0].sockets
    yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
    server.should_exit = True
    thread.join(30)
    assert not thread.is_alive(), "the server does not end"


@pytest.fixture(scope="module")
def address(model, tmp_path_factory):
    """Of a studio that listens, and that ends when it is told to, with its module's tests."""
    with listen(build_app(model, tmp_path_factory.mktemp("answers") / "quiz.csv")) as address:
        yield address


@pytest.fixture(scope="module")
def browser():
    """A headless Chromium, where there is one.

    Of a module: at its end it waits for a pipe to close, which processes that other tests fork
    later would hold open.
    """
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    found = next((path for path in (CHROMIUM, shutil.which("chromium")) if path), None)
    if found is None or not Path(found).is_file():
        pytest.skip("no chromium here; .ci/run installs Debian's")
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=found)
        yield opened
        opened.close()
