"""Which calls of an op an entry is about: by the shapes of operands and by parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple


class Calls(NamedTuple):
    """A kind of call, what it means in words, and whether a call of shapes and parameters is one."""

    means: str
    holds: Callable[[tuple[tuple[int, ...], ...], Mapping[str, Any]], bool]


def _dims(params: Mapping[str, Any]) -> Any:
    return params.get("dim", 0)


#: By name.
CALLS: dict[str, Calls] = {
    "0-d": Calls("an operand has no dimensions", lambda shapes, _: () in shapes),
    "no elements": Calls("an operand has no elements", lambda shapes, _: any(0 in s for s in shapes)),
    "five dimensions": Calls(
        "an operand has five dimensions, or more", lambda shapes, _: any(len(s) > 4 for s in shapes)
    ),
    "vector": Calls("an operand has one dimension", lambda shapes, _: any(len(s) == 1 for s in shapes)),
    "broadcast": Calls("operands have several shapes", lambda shapes, _: len(set(shapes)) > 1),
    "several dimensions": Calls(
        "it goes over several dimensions",
        lambda shapes, params: _dims(params) is None or isinstance(_dims(params), tuple),
    ),
}
