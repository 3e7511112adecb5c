"""The command, served for real: many at once, nonsense, and what that leaves behind."""

import concurrent.futures
import http.client
import json
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from disc.data.pixels.images import encode_mask
from tests.studio.conftest import SIDE

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read in /proc"),
]
PLAIN = np.zeros((SIDE, SIDE), np.uint8)


@pytest.fixture(scope="module")
def served(run, tmp_path_factory):
    """`disc studio` in a process of its own: (port, process, folder of its output)."""
    folder = tmp_path_factory.mktemp("served")
    words = [*("-m", "disc", "studio", str(run), "--port", "0"), "--out", str(folder / "out")]
    log = (folder / "log").open("w")
    process = subprocess.Popen(
        [sys.executable, *words], stdout=subprocess.PIPE, stderr=log, text=True, cwd=folder
    )
    said = process.stdout.readline()
    port = int(re.search(r":(\d+)/", said)[1])
    yield port, process, folder
    process.terminate()
    process.wait(60)
    process.stdout.close()
    log.close()


def ask(port, method, path, body=None, headers=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
    try:
        begun = time.monotonic()
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        data = response.read()
        return response.status, data, time.monotonic() - begun
    except (ConnectionError, http.client.HTTPException):
        # it hung up on a body that was too large
        return 0, b"", 0.0
    finally:
        connection.close()


def memory(process, what="VmRSS"):
    text = Path(f"/proc/{process.pid}/status").read_text()
    return int(re.search(rf"{what}:\s+(\d+) kB", text)[1]) / 1024


def files_below(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def generate(port, *_):
    return ask(port, "POST", "/api/pictures?columns=sd,sd-sc&steps=4&count=2", PLAIN.tobytes())


def test_two_hundred_at_once(served, run):
    port, process, _ = served
    before = files_below(run)
    for _ in range(2):
        assert generate(port)[0] == 200
    idle = memory(process)
    with concurrent.futures.ThreadPoolExecutor(200) as pool:
        answers = list(pool.map(lambda i: generate(port, i), range(200)))
    statuses = [status for status, *_ in answers]
    assert set(statuses) == {200, 429} and statuses.count(200) >= 17
    for status, data, _ in answers:
        if status == 200:
            assert data.decode().count("event: picture") == 4 and b"event: done" in data
        else:
            assert "too many wait" in json.loads(data)["error"]
    print(
        f"{statuses.count(200)} served, {statuses.count(429)} refused; MB before {idle:.0f}, "
        f"after {memory(process):.0f}, at most {memory(process, 'VmHWM'):.0f}"
    )
    assert memory(process, "VmHWM") < 1.2 * idle
    assert generate(port)[0] == 200
    check_traces(served, run, before)


def nonsense(rng):
    """A request that nothing good can come of."""
    png = bytearray(encode_mask(PLAIN))
    for place in rng.integers(0, len(png), 5):
        png[place] = rng.integers(256)
    noise = rng.integers(0, 256, int(rng.integers(0, 9000)), np.uint8).tobytes()
    wrong = PLAIN.copy()
    wrong[rng.integers(SIDE), rng.integers(SIDE)] = rng.integers(4, 255)
    word = rng.choice(["sd:", "../../etc", "%00", "sd,,sd-sc:", "🙂", "x" * 390, "sd-sc:heal@0"])
    query = "".join(f"%{byte:02x}" for byte in str(word).encode())
    return [
        ("POST", "/api/pictures?columns=sd", noise),
        ("POST", "/api/pictures?columns=sd", wrong.tobytes()),
        ("POST", f"/api/pictures?columns={query}&seed=-1", PLAIN.tobytes()),
        ("POST", "/api/pictures?columns=sd", bytes(2**23)),
        ("POST", "/api/masks/png?values=sicapv2", bytes(png)),
        ("POST", "/api/masks/png?values=classes", noise),
        ("POST", f"/api/quiz/{query}/0", noise),
        ("POST", f"/api/quiz/{query}/{query}", b'{"answer": "real", "reader": "../x"}'),
        ("POST", f"/api/quiz?column={query}&num=99", b""),
        ("GET", f"/api/pictures/{query}.zip", None),
        ("GET", f"/{query}", None),
        ("GET", f"/api/masks/recipe?primary={query}&secondary=1", None),
        ("PUT", "/api/about", noise),
    ]


def test_five_hundred_malformed_bodies(served, run):
    port, process, _ = served
    before, rng, seen = files_below(run), np.random.default_rng(5), []
    generate(port)
    idle = memory(process)
    while len(seen) < 500:
        for method, path, body in nonsense(rng):
            status, data, _ = ask(port, method, path, body)
            seen.append(status)
            assert status == 0 or 400 <= status < 500 or is_harmless(path, status), (path, status)
            assert status == 0 or status == 200 or set(json.loads(data)) == {"error"}, data[:200]
    assert seen.count(0) <= len(seen) // 10 and seen.count(200) < 50
    for line in (b"GARBAGE\r\n\r\n", b"POST /api/pictures HTTP/1.1\r\nContent-Length: -5\r\n\r\n"):
        raw_request(port, line)
    print(f"{len(seen)} asked; MB before {idle:.0f}, at most {memory(process, 'VmHWM'):.0f}")
    assert memory(process) < 1.2 * idle
    assert generate(port)[0] == 200
    check_traces(served, run, before)


def is_harmless(path, status):
    """Bits of a PNG that are changed may be those of a remark."""
    return status == 200 and "png" in path


def raw_request(port, data):
    import socket

    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(data)
        connection.recv(4096)


def check_traces(served, run, before):
    """Nothing written outside of its folder, and no traceback in its log."""
    _, _, folder = served
    assert files_below(run) == before
    assert {path.name for path in folder.rglob("*") if path.is_file()} <= {"log", "quiz.csv"}
    log = (folder / "log").read_text()
    assert "Traceback" not in log and "Error" not in log, log[-2000:]
