"""Rows of convolutions: windows of the input, contracted with a kernel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gradlaws.conformance.entropy import Array, Entropy
from gradlaws.conformance.ops.table import TABLE, Composite, Op, Params
from gradlaws.conformance.ops.windows import Shape, windows

_PLACES, _KERNEL = "xyz", "uvw"


def _convolution(F: Any, x: Any, weight: Any, *bias: Any, stride: int, padding: int, dilation: int) -> Any:
    kernel = weight.shape[2:]
    patches = F.take(x, index=windows(x.shape, kernel, stride, padding, dilation))
    places, inner = _PLACES[: len(kernel)], _KERNEL[: len(kernel)]
    made = F.einsum(patches, weight, spec=f"bc{places}{inner},oc{inner}->bo{places}")
    for b in bias:
        made = made + F.reshape(b, shape=(b.shape[0],) + (1,) * len(kernel))
    return made


def _geometry(entropy: Entropy, x: Array, weight: Array, *bias: Array) -> Params | None:
    """Parameters stride, padding and dilation, where all fits and at least one window does."""
    if x.ndim != weight.ndim or x.ndim < 3 or x.shape[1] != weight.shape[1] or not (x.size and weight.size):
        return None
    if any(b.shape != weight.shape[:1] for b in bias):
        return None
    stride, padding, dilation = 1 + entropy.below(2), entropy.below(2), 1 + entropy.below(2)
    room = [n + 2 * padding - dilation * (k - 1) for n, k in zip(x.shape[2:], weight.shape[2:], strict=True)]
    if padding > min(weight.shape[2:]) // 2 or min(room) < 1:
        return {"stride": 1, "padding": 0, "dilation": 1} if _fits(x, weight) else None
    return {"stride": stride, "padding": padding, "dilation": dilation}


def _fits(x: Array, weight: Array) -> bool:
    return all(k <= n for n, k in zip(x.shape[2:], weight.shape[2:], strict=True))


def _lines(entropy: Entropy) -> tuple[Shape, ...]:
    return entropy.pick(
        (((1, 2, 4), (2, 2, 3)), ((2, 1, 3), (1, 1, 2)), ((1, 1, 6), (3, 1, 2)), ((2, 3, 2), (2, 3, 1)))
    )


def _images(entropy: Entropy) -> tuple[Shape, ...]:
    x, weight = entropy.pick(
        (((1, 1, 3, 3), (1, 1, 2, 2)), ((1, 2, 2, 3), (2, 2, 1, 2)), ((2, 1, 3, 2), (1, 1, 3, 2)))
    )
    return x, weight, weight[:1]


def _transposed(F: Any, x: Any, weight: Any, stride: int) -> Any:
    batch, _, length = x.shape
    _, outs, size = weight.shape
    spread = F.einsum(x, weight, spec="bcx,cou->boxu")
    whole = (batch, outs, stride * (length - 1) + size)
    return F.put(spread, index=windows(whole, (size,), stride), shape=whole)


def _if(condition: Callable[..., bool], params: Callable[[Entropy], Params]) -> Any:
    return lambda e, *xs: params(e) if all(x.size for x in xs) and condition(*xs) else None


TABLE.add(
    Op(
        "conv1d",
        "torch.nn.functional.conv1d({0}, {1}, stride={stride}, padding={padding}, dilation={dilation})",
        Composite(_convolution),
        arity=2,
        params=lambda e, x, w: _geometry(e, x, w) if x.ndim == 3 else None,
        shapes=_lines,
        exact=True,
    ),
    Op(
        "conv2d",
        "torch.nn.functional.conv2d({0}, {1}, {2}, stride={stride}, padding={padding}, dilation={dilation})",
        Composite(_convolution),
        arity=3,
        params=lambda e, x, w, b: _geometry(e, x, w, b) if x.ndim == 4 else None,
        shapes=_images,
        exact=True,
    ),
    Op(
        "conv_transpose1d",
        "torch.nn.functional.conv_transpose1d({0}, {1}, stride={stride})",
        Composite(_transposed),
        arity=2,
        params=_if(
            lambda x, w: x.ndim == w.ndim == 3 and x.shape[1] == w.shape[0],
            lambda e: {"stride": 1 + e.below(2)},
        ),
        shapes=lambda e: e.pick((((1, 2, 3), (2, 1, 2)), ((2, 1, 2), (1, 2, 3)), ((1, 1, 3), (1, 1, 3)))),
        exact=True,
    ),
)
