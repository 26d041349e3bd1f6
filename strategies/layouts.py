"""How tensors lie in memory otherwise than row by row: views of something stored, which kernels misread.

A layout is no property of a tensor but a call of an op: an engine makes each tensor as it does, and a view of it as it
does, so that programs, scripts and protocols say all there is to say.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from gradlaws.conformance.entropy import Array
from gradlaws.strategies.shapes import Shape


class Layout(NamedTuple):
    """What is stored, and the op that shows it as it is wanted.

    fits:   whether a tensor of a shape can be laid out so.
    stored: what is stored so that `op` shows these contents; some of them repeated, where it repeats.
    op:     a row of the op table, a view but where engines have none of that kind.
    params: its parameters, for a tensor of a shape.
    needs:  what `fits` asks for, in words.
    """

    fits: Callable[[Shape], bool]
    stored: Callable[[Array], Array]
    op: str
    params: Callable[[Shape], dict[str, Any]]
    needs: str


def _between(x: Array) -> Array:
    """Every other slice is x, from the second on; what lies between differs from it."""
    return np.stack((x + 1, x), axis=1).reshape(2 * x.shape[0], *x.shape[1:])


#: `expanded` shows the first slice again and again; `flipped` is a copy in engines without negative strides.
LAYOUTS: dict[str, Layout] = {
    "expanded": Layout(
        lambda s: bool(s) and 0 not in s,
        lambda x: x[0],
        "expand",
        lambda s: {"shape": s},
        "one dimension and one element",
    ),
    "transposed": Layout(
        lambda s: len(s) > 1,
        lambda x: np.swapaxes(x, -1, -2),
        "transpose",
        lambda s: {"dim0": len(s) - 2, "dim1": len(s) - 1},
        "two dimensions",
    ),
    "stepped": Layout(
        lambda s: bool(s) and 0 not in s,
        _between,
        "get_slice",
        lambda s: {"start": 1, "step": 2},
        "one dimension and one element",
    ),
    "flipped": Layout(
        lambda s: bool(s), lambda x: np.flip(x, 0), "flip", lambda s: {"dim": 0}, "one dimension"
    ),
}
