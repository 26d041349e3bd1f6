"""Training, drawn: a few parameters, a loss computed from some of them, a step, a reset; again."""

from __future__ import annotations

from gradlaws.conformance.language.steps import Var
from gradlaws.strategies.builder import Builder


def model(b: Builder) -> tuple[Var, ...]:
    """Two or three parameters that go together, now and then of single precision."""
    b.turn()
    dtype = b.entropy.pick((*b.dtypes("f")[:1] * 3, *b.dtypes("f")[-1:]))
    first = b.leaf(dtype=dtype)
    others = [
        b.leaf(b.partner(b.shape(first)) or b.shape(first), dtype=dtype)
        for _ in range(1 + b.entropy.below(2))
    ]
    return (first, *others)


def some(b: Builder, parameters: tuple[Var, ...]) -> tuple[Var, ...]:
    """One parameter or more."""
    return tuple(v for v in parameters if b.entropy.chance(65)) or parameters[:1]


def loss(b: Builder, parameters: tuple[Var, ...]) -> Var:
    """Something computed from some of the parameters, none of which is viewed: that is another matter."""
    chosen = some(b, parameters)
    ends = []
    for var in chosen:
        b.turn()
        ends.append(b.unary(var, ("exact", "smooth")) if b.entropy.chance(60) else var)
    b.turn()
    result = ends[0] if len(ends) > 1 else b.unary(ends[0], ("exact",))
    for end in (*ends[1:], *(chosen if b.entropy.chance(25) else ())):
        result = b.binary(result, end)
    return result


def clipped(b: Builder, parameters: tuple[Var, ...]) -> None:
    """Gradients clipped, by norm or by value, where the engine has it."""
    by_norm, by_value = b.has("clip_grad_norm"), b.has("clip_grad_value")
    if by_value and (not by_norm or b.entropy.chance(30)):
        b.clip(parameters, "value")
    elif by_norm:
        b.clip(parameters, "norm")


def epoch(b: Builder, handle: int) -> None:
    """One round of training: forward, backward, mostly a step, mostly a reset, now and then clipping in between."""
    parameters = b.parameters(handle)
    result = loss(b, parameters)
    if b[result].tracked:
        b.backward(result)
        if b.entropy.chance(25):
            clipped(b, parameters)
    if not b.entropy.chance(15):
        b.optimizer_step(handle)
    if not b.entropy.chance(20):
        b.optimizer_zero_grad(handle, set_to_none=not b.entropy.chance(40))
