"""The scene of an exhibit on PyTorch: its module, what is drawn, and ways to assert. `promise` makes a law of one.

A law is a function over a scene, in PyTorch's own words. What is drawn is small: shapes, dtypes, contents, flags and
which of several ways to say the same. What raises where nothing says that it may is a breach of the law.
"""

from __future__ import annotations

import gc
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import wraps
from math import prod
from typing import Any, TypeVar

from gradlaws.conformance.engines.exceptions import described
from gradlaws.conformance.laws.breach import Broken
from gradlaws.conformance.laws.registry import law
from gradlaws.conformance.laws.trial import Stage
from gradlaws.conformance.laws.value_comparison import shown

T = TypeVar("T")

DOCS = "https://docs.pytorch.org/docs/2.13/"
NOTES = f"{DOCS}notes/autograd.html"
AUTOGRAD = f"{DOCS}autograd.html"
EXTENDING = f"{DOCS}notes/extending.html"
BACKWARD = f"{DOCS}generated/torch.autograd.backward.html"
GRAD = f"{DOCS}generated/torch.autograd.grad.html"
TESTS = "https://github.com/pytorch/pytorch/blob/v2.13.0/test/test_autograd.py"
SOURCE = "https://github.com/pytorch/pytorch/blob/v2.13.0/torch"
#: How many times fewer scenes than programs: there is little to draw.
THRIFT = 5
#: Dtypes whose gradients are exact enough to compare to the bit, narrow ones last.
FLOATS = ("float64", "float32", "bfloat16", "float16")


class Scene:
    """PyTorch on stage.

    torch: the module.
    """

    def __init__(self, stage: Stage) -> None:
        self.torch: Any = stage.backend.engine  # type: ignore[attr-defined]
        self.entropy = stage.entropy
        self.claim, self.equal, self.refused = stage.claim, stage.equal, stage.raises

    # -- drawn ------------------------------------------------------------------------------------------------

    def pick(self, *options: T) -> T:
        """One of these; the first is the simplest."""
        return self.entropy.pick(options)

    def chance(self, percent: int = 50) -> bool:
        """True in about so many cases of a hundred."""
        return self.entropy.chance(percent)

    def shape(self, dims: int | None = None) -> tuple[int, ...]:
        """A shape of up to three dims, or of so many, without empty ones."""
        count = self.entropy.below(4) if dims is None else dims
        return tuple(1 + self.entropy.below(3) for _ in range(count))

    def dtype(self) -> Any:
        """A dtype that may require grad."""
        return getattr(self.torch, self.pick(*FLOATS))

    def tensor(self, shape: Sequence[int] | None = None, dtype: Any = None) -> Any:
        """A tensor with drawn contents between 1/4 and 2, which are exact in every dtype; float64 by default."""
        sizes = self.shape() if shape is None else tuple(shape)
        numbers = [(1 + self.entropy.below(8)) / 4 for _ in range(prod(sizes))]
        return self.torch.tensor(numbers, dtype=dtype or self.torch.float64).reshape(sizes).clone()

    def leaf(self, shape: Sequence[int] | None = None, dtype: Any = None) -> Any:
        """Such a tensor that requires grad."""
        return self.tensor(shape, dtype).requires_grad_()

    def curved(self, x: Any) -> Any:
        """The result of a drawn op on x whose derivative depends on x, so that the operand is saved."""
        torch = self.torch
        return self.pick(torch.sin, torch.square, torch.cos, torch.log1p)(x)

    # -- asserted ---------------------------------------------------------------------------------------------

    def same(self, thing: str, got: Any, expected: Any) -> None:
        """Assert that two tensors (or None) are of one dtype and shape, with the same contents."""
        held = got is expected or (
            got is not None
            and expected is not None
            and got.dtype == expected.dtype
            and got.shape == expected.shape
            and bool(self.torch.equal(got.detach(), expected.detach()))
        )
        self.claim(held, thing, _listed(got), _listed(expected))

    def close(self, thing: str, got: Any, expected: Any) -> None:
        """Assert that two tensors of float64 are equal but for rounding."""
        held = (
            got is not None
            and got.shape == expected.shape
            and self.torch.allclose(got, expected, 1e-12, 1e-14)
        )
        self.claim(bool(held), thing, _listed(got), _listed(expected))

    def allowed(self, thing: str, call: Callable[[], T]) -> T:
        """Assert that a call is not refused; what it returns."""
        try:
            result = call()
        except Exception as error:
            self.claim(False, thing, described(error), "no error")
            raise
        self.claim(True, thing)
        return result

    def warned(self, call: Callable[[], Any]) -> list[str]:
        """The warnings that a call gives, also those that are given but once."""
        always = self.torch.is_warn_always_enabled()
        with warnings.catch_warnings(record=True) as given:
            warnings.simplefilter("always")
            self.torch.set_warn_always(True)
            try:
                call()
            finally:
                self.torch.set_warn_always(always)
        return [str(warning.message) for warning in given]

    def warns(self, thing: str, call: Callable[[], Any], words: str) -> None:
        """Assert that a call warns in such words."""
        given = self.warned(call)
        self.claim(any(words in text for text in given), thing, given or "silent", f"a warning of {words!r}")

    # -- machinery --------------------------------------------------------------------------------------------

    @staticmethod
    def elsewhere(call: Callable[[], T]) -> T:
        """What a call returns, or raises, in a new thread."""
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(call).result()

    @staticmethod
    def collected() -> None:
        """Let go of what only cycles hold."""
        gc.collect()


def _listed(x: Any) -> str:
    """A tensor, or None, as it is shown."""
    return shown(None if x is None else x.tolist())


Check = Callable[[Scene], None]


def promise(
    identity: str,
    source: str,
    *needs: str,
    after: tuple[str, ...] = (),
    undocumented: bool = False,
    thrift: int = THRIFT,
) -> Callable[[Check], Check]:
    """Register a function over a scene as a law of level `torch`; its docstring's first paragraph is the sentence.

    needs: parts of PyTorch's API (`torch.Tensor.grad_dtype`) and releases (`torch>=2.9`) without which there is
        nothing to ask: the law is UNSUPPORTED there.
    """

    def register(check: Check) -> Check:
        @wraps(check)
        def put_on(stage: Stage) -> None:
            try:
                check(Scene(stage))
            except Broken:
                raise
            except Exception as error:
                stage.claim(False, "the scene", described(error), "no error")

        law(
            identity,
            source,
            level="torch",
            needs=("pytorch", *needs),
            after=after,
            undocumented=undocumented,
            thrift=thrift,
        )(put_on)
        return check

    return register
