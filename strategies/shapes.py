"""Shapes of tensors: those that programs draw, and strategies for any, alone and broadcasting together.

Each is one draw of a few bytes. 0-d shapes and sides of 1 are common, because that is where engines go wrong;
empty shapes occur where `min_side=0` allows them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import BroadcastableShapes

from gradlaws.conformance.entropy import Entropy
from gradlaws.strategies.arguments import integer, invalid

Shape = tuple[int, ...]


@dataclass(frozen=True)
class _Limits:
    min_dims: int
    max_dims: int
    min_side: int
    max_side: int
    max_size: int

    def __post_init__(self) -> None:
        integer("min_dims", self.min_dims, 0, 32)
        integer("max_dims", self.max_dims, 0, 32)
        far = ", or use hypothesis.extra.numpy.array_shapes for larger ones"
        integer("min_side", self.min_side, 0, 255, far)
        integer("max_side", self.max_side, 0, 255, far)
        integer("max_size", self.max_size, 0)
        if self.min_dims > self.max_dims:
            raise invalid(
                "min_dims",
                self.min_dims,
                f"is more than max_dims={self.max_dims}",
                "raise max_dims or lower min_dims",
            )
        if self.min_side > self.max_side:
            raise invalid(
                "min_side",
                self.min_side,
                f"is more than max_side={self.max_side}",
                "raise max_side or lower min_side",
            )
        if self.min_side**self.min_dims > self.max_size:
            raise invalid(
                "max_size",
                self.max_size,
                f"leaves no room for {self.min_dims} dimensions of {self.min_side} or more",
                f"pass at least max_size={self.min_side**self.min_dims}",
            )

    @cached_property
    def most_dims(self) -> int:
        """The largest rank that fits into `max_size`."""
        fitting = (d for d in range(self.max_dims, self.min_dims, -1) if self.min_side**d <= self.max_size)
        return next(fitting, self.min_dims)

    @cached_property
    def sides(self) -> tuple[int, ...]:
        """The sides to pick from, smallest first: about a quarter ones, a zero now and then."""
        rest = list(range(max(self.min_side, 2), self.max_side + 1))
        few = [side for side in (0,) if self.min_side == 0]
        ones = [1] * 4 if self.min_side <= 1 <= self.max_side else []
        return tuple(few + ones + sorted(rest * max(1, 11 // max(len(rest), 1))))

    def shape(self, entropy: Entropy) -> Shape:
        """A shape within the limits."""
        dims = self.min_dims + entropy.below(self.most_dims - self.min_dims + 1)
        sides = [entropy.pick(self.sides) for _ in range(dims)]
        while prod(sides) > self.max_size:
            longest = sides.index(max(sides))
            sides[longest] = max(self.min_side, sides[longest] // 2)
        return tuple(sides)

    def part(self, entropy: Entropy, shape: Shape) -> Shape:
        """A shape that broadcasts to `shape`: leading dimensions dropped, sides replaced by 1."""
        dropped = entropy.below(max(len(shape) - self.min_dims, 0) + 1) if entropy.chance(40) else 0
        ones = self.min_side <= 1 <= self.max_side
        return tuple(1 if ones and entropy.chance(35) else side for side in shape[dropped:])


def shapes(
    *, min_dims: int = 0, max_dims: int = 3, min_side: int = 1, max_side: int = 4, max_size: int = 24
) -> st.SearchStrategy[Shape]:
    """Shapes as tuples of integers, 0-d ones and sides of 1 among them.

    min_dims, max_dims: bounds of the rank, from 0 to 32.
    min_side, max_side: bounds of each side, from 0 to 255; empty shapes need `min_side=0`.
    max_size: the largest number of elements.

    Shrinks towards few dimensions, then towards sides of `min_side`. Raises `InvalidArgument` where no shape
    keeps the bounds.
    """
    limits = _Limits(min_dims, max_dims, min_side, max_side, max_size)
    size = 1 + max_dims
    return st.binary(min_size=size, max_size=size).map(lambda data: limits.shape(Entropy(data)))


def broadcastable_shapes(
    n: int = 2,
    *,
    min_dims: int = 0,
    max_dims: int = 3,
    min_side: int = 1,
    max_side: int = 4,
    max_size: int = 24,
) -> st.SearchStrategy[BroadcastableShapes]:
    """`n` shapes that broadcast together, and what they broadcast to.

    Gives `hypothesis.extra.numpy.BroadcastableShapes`, a named tuple (input_shapes, result_shape). The bounds
    are those of `shapes` and hold for inputs and result. Any of the inputs may be the one that is stretched,
    several of them in different dimensions too.

    Shrinks towards inputs of equal shape, and these as `shapes` does. Raises `InvalidArgument` like `shapes`,
    and for n outside 1 to 32.
    """
    integer("n", n, 1, 32)
    limits = _Limits(min_dims, max_dims, min_side, max_side, max_size)

    def decoded(data: bytes) -> BroadcastableShapes:
        entropy = Entropy(data)
        whole = limits.shape(entropy)
        inputs = tuple(limits.part(entropy, whole) for _ in range(n))
        return BroadcastableShapes(inputs, np.broadcast_shapes(*inputs))

    size = (1 + max_dims) + n * (2 + max_dims)
    return st.binary(min_size=size, max_size=size).map(decoded)


def checked_shape(name: str, value: Any) -> Shape:
    """`value` as a shape: a tuple (or list) of integers of at least 0, or one integer for one dimension."""
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        value = (int(value),)
    if not isinstance(value, tuple | list) or not all(
        isinstance(side, int | np.integer) and side >= 0 for side in value
    ):
        raise invalid(
            name,
            value,
            "is not a shape",
            "pass a tuple of integers of at least 0, such as (2, 3), or shapes()",
        )
    return tuple(int(side) for side in value)


@dataclass(frozen=True)
class Sizes:
    """Shapes that some programs keep to, and how many elements results may have there."""

    shapes: tuple[Shape, ...]
    most: int


#: Sizes beyond the usual few elements: none at all, across the widths at which kernels change, many dimensions.
SIZES: dict[str, Sizes] = {
    "empty": Sizes(((0,), (2, 0), (0, 3), (1, 0, 2), (0, 1), (2, 2)), 24),
    "wide": Sizes(((8,), (33,), (16,), (32,), (64,), (4, 8), (3, 11), (2, 16), (65,), (1, 17)), 300),
    "deep": Sizes(
        ((1, 2, 1, 2), (2, 1, 2, 1), (2, 1, 1, 2, 1), (1, 2, 1, 1, 1, 2), (1, 1, 2, 2), (2, 1, 1, 1, 2, 1)),
        48,
    ),
    "large": Sizes(((1000,), (4097,), (10, 100), (17, 241), (4096,)), 10000),
}


def drawn_shape(entropy: Entropy, most: int = 6) -> Shape:
    """A shape of rank 0 to 3 with 1 to `most` elements, small ones more often: what programs are drawn with."""
    shape = entropy.pick(
        ((2,), (), (3,), (2, 2), (1,), (2, 3), (1, 3), (3, 1), (1, 1), (2, 1, 2), (4,), (1, 2, 3))
    )
    return shape if prod(shape) <= most else (2,)


def partner_shape(entropy: Entropy, shape: Shape) -> Shape:
    """A shape that broadcasts with `shape`: the same, or with dimensions dropped or stretched to 1."""
    kind = entropy.below(4)
    if kind == 0 or not shape:
        return shape
    if kind == 1:
        return shape[1:]
    return tuple(1 if entropy.chance(50) else n for n in shape)
