"""Who may ask, how much, and what a stranger is told."""

import pytest
from fastapi.testclient import TestClient

from disc.studio import guard
from disc.studio.app import build_app
from tests.studio.conftest import open_client


def test_the_page_is_served_with_a_strict_policy(client):
    for name, kind in (
        ("", "text/html"),
        ("main.js", "text/javascript"),
        ("studio.css", "text/css"),
    ):
        response = client.get(f"/{name}")
        assert response.status_code == 200 and response.headers["content-type"].startswith(kind)
        policy = response.headers["content-security-policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy
        assert "http" not in response.text.replace("http://www.w3.org/2000/svg", "")


@pytest.mark.parametrize(
    "path",
    ["../config.json", "..%2fconfig.json", "%2e%2e/config.json", "request.py", "api/none", "docs"],
)
def test_nothing_else_is_served(client, path):
    response = client.get(f"/{path}")
    assert response.status_code == 404 and set(response.json()) == {"error"}


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example"},
        {"host": "127.0.0.1.evil.example"},
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://["},
        {"host": "["},
        {"sec-fetch-site": "cross-site"},
    ],
)
def test_other_pages_are_refused(client, headers):
    response = client.get("/api/about", headers=headers)
    assert response.status_code == 403 and set(response.json()) == {"error"}


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.0.0.2", "[::1]"])
def test_the_own_page_is_answered(client, host):
    own = {"host": host, "origin": f"http://{host}", "sec-fetch-site": "same-origin"}
    assert client.get("/api/about", headers=own).status_code == 200


def test_a_token_is_needed_where_one_is_set(model, answers):
    with open_client(model, answers, token="a-long-secret", is_local=False) as client:
        assert client.get("/").status_code == 200
        for given in ({}, {"authorization": "Bearer wrong"}, {"authorization": b"Bearer \xe9"}):
            assert client.get("/api/about", headers=given).status_code == 401
        given = {"authorization": "Bearer a-long-secret", "host": "studio.example"}
        assert client.get("/api/about", headers=given).status_code == 200


def test_bodies_are_bounded(client, model):
    def endless():
        for _ in range(2**7):
            yield bytes(2**16)

    for path in ("pictures?columns=sd", "masks/png?values=classes", "quiz/a/0"):
        response = client.post(f"/api/{path}", content=bytes(2**22))
        assert response.status_code == 413 and "too large" in response.json()["error"]
        assert client.post(f"/api/{path}", content=endless()).status_code == 413


def test_a_body_that_does_not_come_is_not_waited_for(client, monkeypatch):
    import asyncio

    async def never(self):
        await asyncio.sleep(30)
        yield b""

    monkeypatch.setattr(guard, "BODY_SECONDS", 0.05)
    monkeypatch.setattr("starlette.requests.Request.stream", never)
    response = client.post("/api/pictures?columns=sd", content=b"")
    assert response.status_code == 408


def test_a_full_queue_is_429(model, answers, mask):
    with open_client(model, answers, places=0) as client:
        response = client.post("/api/pictures?columns=sd", content=mask.tobytes())
        assert response.status_code == 429 and response.headers["retry-after"] == "5"
        assert "too many wait" in response.json()["error"]
        assert client.get("/api/masks/real").status_code == 429


def test_what_goes_wrong_inside_is_one_line_in_the_log(model, answers, monkeypatch, capsys):
    def fail(*_, **__):
        raise RuntimeError("secret of the inside")

    monkeypatch.setattr("disc.studio.routes.describe", fail)
    app = build_app(model, answers)
    with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
        response = client.get("/api/about")
    assert response.status_code == 500
    assert response.json() == {"error": "something went wrong here"}
    assert capsys.readouterr().err == "disc studio: RuntimeError in '/api/about'\n"
