"""The language that programs are written in: immutable steps over numbered variables.

Each step names the variables that it makes (`outs`), so that dropping one step leaves the others as they
are. What a step looks like in an engine's own API is in `gradlaws.conformance.language.source`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from gradlaws.conformance.entropy import Array

Var = int
Params = tuple[tuple[str, Any], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Literal:
    """The contents of a tensor: an array that is never written to."""

    array: Array

    def __post_init__(self) -> None:
        self.array.flags.writeable = False

    def _key(self) -> tuple[Any, ...]:
        return (self.array.shape, self.array.dtype.str, self.array.tobytes())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Literal) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())


@dataclass(frozen=True, slots=True)
class Step:
    """What all steps have: the variables they make."""

    outs: tuple[Var, ...] = field(default=(), kw_only=True)

    def uses(self) -> tuple[Var, ...]:
        """The variables that the step reads or writes."""
        return ()

    def rewired(self, old: Var, new: Var) -> Step:
        """The same step with variable `old` replaced by `new` wherever it is used."""
        return self


@dataclass(frozen=True, slots=True)
class Leaf(Step):
    """A new tensor with the given contents: `tensor(value, requires_grad=...)`."""

    value: Literal
    requires_grad: bool = False


@dataclass(frozen=True, slots=True)
class Apply(Step):
    """An op of the table: `outs = op(*inputs, **params)`."""

    op: str
    inputs: tuple[Var, ...]
    params: Params = ()

    def uses(self) -> tuple[Var, ...]:
        return self.inputs

    def rewired(self, old: Var, new: Var) -> Step:
        return replace(self, inputs=swapped(self.inputs, old, new))


@dataclass(frozen=True, slots=True)
class InPlace(Step):
    """An in-place op on `target`; `inputs` are its other operands."""

    op: str
    target: Var
    inputs: tuple[Var, ...] = ()
    params: Params = ()

    def uses(self) -> tuple[Var, ...]:
        return (self.target, *self.inputs)

    def rewired(self, old: Var, new: Var) -> Step:
        return replace(
            self, target=new if self.target == old else self.target, inputs=swapped(self.inputs, old, new)
        )


@dataclass(frozen=True, slots=True)
class _OnTensor(Step):
    """A step about one tensor `x`."""

    x: Var

    def uses(self) -> tuple[Var, ...]:
        return (self.x,)

    def rewired(self, old: Var, new: Var) -> Step:
        return replace(self, x=new) if self.x == old else self


@dataclass(frozen=True, slots=True)
class Detach(_OnTensor):
    """`out = x.detach()`."""


@dataclass(frozen=True, slots=True)
class DetachInPlace(_OnTensor):
    """`x.detach_()`."""


@dataclass(frozen=True, slots=True)
class RequireGrad(_OnTensor):
    """`x.requires_grad_(flag)`; `outs`, where there is one, is bound to what the call returns."""

    flag: bool = True


@dataclass(frozen=True, slots=True)
class RetainGrad(_OnTensor):
    """`x.retain_grad()`."""


@dataclass(frozen=True, slots=True)
class ReadGrad(_OnTensor):
    """`out = x.grad`: binds the very object, so that later steps can write to it."""


@dataclass(frozen=True, slots=True)
class ClearGrad(_OnTensor):
    """`x.grad = None`."""


@dataclass(frozen=True, slots=True)
class ZeroGrad(_OnTensor):
    """`x.grad.zero_()`."""


@dataclass(frozen=True, slots=True)
class SetGrad(_OnTensor):
    """`x.grad = source`, a variable; or, where `source` is None, the Python number 1.0, which is not a tensor."""

    source: Var | None = None

    def uses(self) -> tuple[Var, ...]:
        return (self.x,) if self.source is None else (self.x, self.source)

    def rewired(self, old: Var, new: Var) -> Step:
        source = new if self.source == old else self.source
        return replace(self, x=new if self.x == old else self.x, source=source)


@dataclass(frozen=True, slots=True)
class Forget(_OnTensor):
    """`del x`: the program's own reference goes."""


@dataclass(frozen=True, slots=True)
class Mode(Step):
    """Grad mode: `kind` is `no_grad` or `enable_grad` (enter), `exit`, or `raise` (exit by an exception)."""

    kind: str


@dataclass(frozen=True, slots=True)
class Backward(Step):
    """`backward(roots, gradients, retain_graph=, create_graph=, inputs=)`.

    gradients: None, or one entry a root: a variable, None, or `NOT_A_TENSOR`. One root with plain arguments
    is the method call `root.backward(gradient)`; several are the function over lists.
    """

    roots: tuple[Var, ...]
    gradients: tuple[Var | None, ...] | None = None
    retain_graph: bool | None = None
    create_graph: bool = False
    inputs: tuple[Var, ...] | None = None

    def uses(self) -> tuple[Var, ...]:
        return _seeds(self.roots, self.gradients) + (self.inputs or ())

    def rewired(self, old: Var, new: Var) -> Step:
        return replace(
            self,
            roots=swapped(self.roots, old, new),
            gradients=None if self.gradients is None else swapped(self.gradients, old, new),
            inputs=None if self.inputs is None else swapped(self.inputs, old, new),
        )


#: In place of a gradient argument: the Python list [1.0], which is not a tensor.
NOT_A_TENSOR: Var = -1


@dataclass(frozen=True, slots=True)
class Grad(Step):
    """`outs = autograd.grad(roots, inputs, gradients, ...)`, one result per input (unbound where None)."""

    roots: tuple[Var, ...]
    inputs: tuple[Var, ...]
    gradients: tuple[Var | None, ...] | None = None
    retain_graph: bool | None = None
    create_graph: bool = False
    allow_unused: bool = False
    materialize_grads: bool = False

    def asked(self, out: Var) -> Var:
        """The input that a result is the gradient of."""
        return self.inputs[self.outs.index(out)]

    def uses(self) -> tuple[Var, ...]:
        return _seeds(self.roots, self.gradients) + self.inputs

    def rewired(self, old: Var, new: Var) -> Step:
        return replace(
            self,
            roots=swapped(self.roots, old, new),
            inputs=swapped(self.inputs, old, new),
            gradients=None if self.gradients is None else swapped(self.gradients, old, new),
        )


@dataclass(frozen=True, slots=True)
class Hook(_OnTensor):
    """A hook on x, known by number `handle`: `kind` is `tensor` or `post_accumulate`.

    effect: what a tensor hook returns for a gradient g: `none`, `same` (g itself), `double` (2 g), `negate` (-g),
        `increment` (g + 1); or, what must be refused, `unsqueeze` and `sum` (another shape), `cast` (another dtype),
        `number` (no tensor). What a post-accumulate hook does with the leaf p: `none`, `clear` (p.grad = None). Either
        may `raise`.
    within: steps of the program that the hook takes first, such as another backward, a write to the leaf, or the
        removal of a hook. What they make is theirs alone.
    """

    handle: int
    kind: str = "tensor"
    effect: str = "none"
    within: tuple[Step, ...] = ()

    def uses(self) -> tuple[Var, ...]:
        return (self.x, *used_within(self.within))

    def rewired(self, old: Var, new: Var) -> Step:
        within = tuple(step.rewired(old, new) for step in self.within)
        return replace(self, x=new if self.x == old else self.x, within=within)


#: Effects by which a hook gives the gradient other values.
CHANGING = ("double", "negate", "increment")


@dataclass(frozen=True, slots=True)
class RemoveHook(Step):
    """Removes the hook known by number `handle`."""

    handle: int


@dataclass(frozen=True, slots=True)
class Look(Step):
    """Everything is looked at: contents, gradients and flags of all live tensors."""


def used_within(steps: tuple[Step, ...]) -> tuple[Var, ...]:
    """The variables of the program that nested steps use, less those that they make themselves."""
    made: set[Var] = set()
    used: dict[Var, None] = {}
    for step in steps:
        used.update(dict.fromkeys(v for v in step.uses() if v not in made))
        made.update(step.outs)
    return tuple(used)


def labelled(step: Step) -> str:
    """The kind of a step in a word or two: `Backward`, `Apply exp`."""
    kind = type(step).__name__
    return f"{kind} {step.op}" if isinstance(step, Apply | InPlace) else kind


def literal(values: Any, dtype: str = "float64") -> Literal:
    """A literal from nested lists or an array."""
    return Literal(np.array(values, dtype=dtype))


def recast(step: Step, dtypes: Mapping[str, str]) -> Step:
    """The step, or if it is a leaf whose dtype has another one in its place, the same leaf of that one."""
    dtype = dtypes.get(str(step.value.array.dtype)) if isinstance(step, Leaf) else None
    if dtype is None or not isinstance(step, Leaf):
        return step
    return replace(step, value=Literal(step.value.array.astype(dtype)))


def _seeds(roots: tuple[Var, ...], gradients: tuple[Var | None, ...] | None) -> tuple[Var, ...]:
    return roots + tuple(g for g in gradients or () if g is not None and g != NOT_A_TENSOR)


def swapped(items: tuple[Any, ...], old: Any, new: Any) -> tuple[Any, ...]:
    """The items with `old` replaced by `new` wherever it stands."""
    return tuple(new if item == old else item for item in items)
