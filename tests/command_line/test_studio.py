"""`disc studio`: what is refused before anything is read, and what is printed."""

import socket
import sys

import pytest
import uvicorn

from disc import cli
from disc.files import BadInput
from disc.studio import serve
from disc.studio.request import StudioRequest
from tests.tiny_run import write_tiny_run


def call(capsys, *words):
    code = cli.main(["studio", *words])
    return code, capsys.readouterr()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--host", "0.0.0.0"), "--host 0.0.0.0 can be reached by others; give --token too"),
        (("--host", "example.org"), "can be reached by others"),
        (("--token", "short"), "--token has 5 characters; give 12 or more"),
        (("--token", "long enough, with blanks"), "without spaces"),
        (("--port", "70000"), "--port is 70000"),
        (("--deadline-s", "0"), "--deadline-s is 0"),
        (("nowhere",), "nowhere: no such folder; give the folder of a run"),
        (("--run", "nowhere"), "nowhere: no such folder; give the folder of a run"),
    ],
)
def test_what_cannot_be_is_one_line(words, said, capsys):
    code, told = call(capsys, *words)
    assert code == 2 and said in told.err and len(told.err.splitlines()) == 1


def test_without_the_extra_it_says_what_to_install(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    code, told = call(capsys, "nowhere")
    assert code == 2 and told.err == (
        "disc: the studio needs fastapi and uvicorn: pip install fastapi uvicorn\n"
    )


def test_a_taken_port_is_one_line(tmp_path, capsys):
    run = write_tiny_run(tmp_path / "run")
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        code, told = call(capsys, str(run), "--port", str(other.getsockname()[1]))
    assert code == 2 and "give another with --port" in told.err


def test_it_says_where_it_is_and_ends_when_interrupted(tmp_path, capsys, monkeypatch):
    run, seen = write_tiny_run(tmp_path / "run"), []

    def listen(self, sockets):
        seen.append(sockets[0].getsockname())
        raise KeyboardInterrupt

    monkeypatch.setattr(uvicorn.Server, "run", listen)
    monkeypatch.setattr(serve.webbrowser, "open", seen.append)
    code, told = call(capsys, str(run), "--port", "0", "--token", "a-long-secret", "--open")
    address, (host, port) = seen
    assert code == 0 and host == "127.0.0.1" and "studio ended" in told.out
    assert address == f"http://127.0.0.1:{port}/#token=a-long-secret" and address in told.out


def test_no_run_is_the_weights_that_disc_ships(monkeypatch):
    asked = []

    def load(folder):
        asked.append(folder)
        raise BadInput("stop here")

    monkeypatch.setattr(serve, "load", load)
    with pytest.raises(BadInput, match="stop here"):
        serve.serve_studio(StudioRequest())
    assert asked == [None]


@pytest.mark.parametrize(
    ("host", "is_local"),
    [
        *(("127.0.0.1", True), ("::1", True), ("localhost", True), ("127.8.0.1", True)),
        *(("0.0.0.0", False), ("192.168.0.1", False), ("::", False)),
    ],
)
def test_which_hosts_are_this_machine(host, is_local):
    assert StudioRequest(host=host, token="a-long-secret").is_local == is_local
