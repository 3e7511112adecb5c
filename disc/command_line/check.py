"""What `disc check` does: findings on the screen, as JSON, and as a page."""

from __future__ import annotations

import json

from rich.console import Console

from disc.data.check.check_sets import check_sets
from disc.data.check.request import CheckRequest
from disc.files import printable, write_json
from disc.report.check.page import write_check_page
from disc.report.check.table import print_check


def check_and_tell(request: CheckRequest) -> int:
    """Check sets and say what was found.

    Returns:
        The exit code: 1 if anything is an error.
    """
    report, is_piped = check_sets(request), str(request.json) == "-"
    console = Console(stderr=is_piped)
    # First, for whatever cannot be written, what was found is said.
    print_check(report, console)
    if request.json is not None and not is_piped:
        write_json(request.json, report.as_json())
    if request.page is not None:
        write_check_page(request.page, report)
        console.print(printable(f"page: {request.page}"), markup=False, highlight=False)
    if is_piped:
        print(json.dumps(report.as_json()))
    return 1 if report.num_errors else 0
