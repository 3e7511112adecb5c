"""What `disc studio` is asked for; light: the command line shows it."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from disc.files import require

MIN_TOKEN = 12
"""Characters of a token; shorter ones can be guessed."""


@dataclass(frozen=True, kw_only=True)
class StudioRequest:
    """A page in the browser, on trained weights."""

    run: Annotated[Path | None, tyro.conf.Positional] = None
    """Folder of a trained run, or of exported weights; none: the weights that disc ships."""
    host: str = "127.0.0.1"
    """Address to listen on; any but this machine's own needs --token."""
    port: int = 8765
    """Port; 0: any that is free."""
    token: str = ""
    """Secret of 12 characters or more without which nothing is answered."""
    out: Path | None = None
    """Folder of the quiz's answers, the one thing that is written; none: studio/ in the run, or
    here where no run is given."""
    deadline_s: float = 120.0
    """Seconds after which a piece of work is stopped."""
    open: bool = False
    """Open the page in the browser."""

    def __post_init__(self) -> None:
        """Check what goes together.

        Raises:
            BadInput: if others could reach the page without a secret, or a number cannot be.
        """
        is_short = bool(self.token) and len(self.token) < MIN_TOKEN
        require(not is_short, f"--token has {len(self.token)} characters; give {MIN_TOKEN} or more")
        is_plain = self.token.isascii() and self.token.isprintable() and " " not in self.token
        require(is_plain, "--token takes letters, digits and signs of ASCII, without spaces")
        require(
            self.is_local or bool(self.token),
            f"--host {self.host} can be reached by others; give --token too, or leave --host out",
        )
        require(0 <= self.port <= 65535, f"--port is {self.port}; expected 0 to 65535")
        require(self.deadline_s > 0, f"--deadline-s is {self.deadline_s:g}; expected more than 0")

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach the page."""
        return is_own_name(self.host)

    @property
    def answers(self) -> Path:
        """Where the quiz's answers go."""
        folder = self.out or (Path("studio") if self.run is None else self.run / "studio")
        return folder / "quiz.csv"


def is_own_name(host: str | None) -> bool:
    """Whether a host is this machine under a name that no other machine can have."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False
