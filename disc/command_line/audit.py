"""What `disc audit` does: a synthetic set held beside a real one."""

from __future__ import annotations

import json

from rich.console import Console

from disc.audit.audit import audit_sets
from disc.audit.page import print_audit, write_audit_page, write_audit_table
from disc.audit.request import AuditRequest
from disc.files import BadInput, write_json


def audit_and_tell(request: AuditRequest) -> int:
    """Audit, write what was asked for, and say it; 1 if a limit is not kept.

    Raises:
        FileNotFoundError: if a set is missing.
        BadInput: if the sets cannot be audited; or, once all is written, if a limit names no
            figure.
    """
    found, is_piped = audit_sets(request), str(request.json) == "-"
    console = Console(stderr=is_piped)
    print_audit(found, console)
    if request.json is not None and not is_piped:
        write_json(request.json, found.as_json())
    if request.table is not None:
        write_audit_table(request.table, found)
    if request.page is not None:
        write_audit_page(request.page, found)
        console.print(f"page: {request.page}", markup=False, highlight=False)
    if is_piped:
        print(json.dumps(found.as_json()))
    for limit in found.unknown:
        names = ", ".join(figure.name for figure in found.figures)
        raise BadInput(f"--limit {limit}: this audit has no figure {limit.name}; it has {names}")
    return 1 if found.num_failed else 0
