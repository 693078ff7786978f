"""Jobs as data: what is asked, checked without torch, with one canonical form and a name that follows from it."""

from learngenes.spec.checks import check, check_learn, check_private, fitting, pinned, replaced
from learngenes.spec.confinement import confine
from learngenes.spec.kinds import (
    KINDS,
    Evaluate,
    FitSize,
    Learn,
    Spec,
    Tournament,
    from_json,
    identify,
    kind_of,
    read,
    table,
    to_json,
)

__all__ = [
    "KINDS",
    "Evaluate",
    "FitSize",
    "Learn",
    "Spec",
    "Tournament",
    "check",
    "check_learn",
    "check_private",
    "confine",
    "fitting",
    "from_json",
    "identify",
    "kind_of",
    "pinned",
    "read",
    "replaced",
    "table",
    "to_json",
]
