"""README for a package index, where the files that it links to are not beside it."""

import re
from pathlib import Path

from setuptools import setup

PICTURE = re.compile(r"!\[[^\]]*\]\((?!https?://)[^)]*\)\n*")
LINK = re.compile(r"\[([^\]]*)\]\((?!https?://|#)([^)]*)\)")


def readme() -> str:
    """README.md without pictures and links that lead into the repository; their paths are kept."""
    text = PICTURE.sub("", Path(__file__).with_name("README.md").read_text(encoding="utf-8"))
    return LINK.sub(lambda link: link[1] if link[1] == link[2] else f"{link[1]} ({link[2]})", text)


setup(long_description=readme(), long_description_content_type="text/markdown")
