"""User-defined functions: a forward and a backward that the program itself gives, as small programs of table ops.

What an engine makes of them is a step like any other. The formula decides what comes, right or wrong: no engine can
look into it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from gradlaws.conformance.language.steps import Apply, Step, Var, swapped, used_within


@dataclass(frozen=True, slots=True)
class Function:
    """A user-defined function, over variables of its own.

    operands:  what its operands go by.
    forward:   the ops that compute its results.
    results:   which variables those are; an operand among them is handed through.
    arriving:  what the gradients of the results go by; that of one that was not used is zeros.
    backward:  the ops that compute the gradients of the operands: from what arrives, and from what `saved` keeps.
    gradients: one for each operand: a variable, or None for no gradient.
    constant:  the results that are not differentiable.
    once:      the backward cannot be differentiated again.
    raises:    the backward raises an exception instead of returning anything.
    """

    operands: tuple[Var, ...]
    forward: tuple[Apply, ...]
    results: tuple[Var, ...]
    arriving: tuple[Var, ...]
    backward: tuple[Apply, ...]
    gradients: tuple[Var | None, ...]
    constant: tuple[Var, ...] = ()
    once: bool = False
    raises: bool = False

    @property
    def saved(self) -> tuple[Var, ...]:
        """What backward needs of forward, in the order in which it needs it."""
        made = {*self.arriving, *(out for step in self.backward for out in step.outs)}
        used = [v for step in self.backward for v in step.inputs]
        used += [v for v in self.gradients if v is not None]
        return tuple(dict.fromkeys(v for v in used if v not in made))

    def handed_through(self, k: int) -> int | None:
        """Which operand result number k is; None for one that is computed."""
        result = self.results[k]
        return self.operands.index(result) if result in self.operands else None

    def pruned(self) -> Function:
        """The same without ops that nothing depends on."""
        backward = _needed(self.backward, {v for v in self.gradients if v is not None})
        shorter = replace(self, backward=backward)
        return replace(shorter, forward=_needed(self.forward, {*self.results, *shorter.saved}))

    def simpler(self) -> Iterator[Function]:
        """The functions that are one thing simpler, with the same operands and results."""
        for plain in ({"raises": False}, {"once": False}, {"constant": ()}):
            yield replace(self, **plain)
        for k, gradient in enumerate(self.gradients):
            for other in (*self.arriving, None):
                if gradient is not None and other != gradient:
                    yield replace(self, gradients=(*self.gradients[:k], other, *self.gradients[k + 1 :]))
        for k, step in enumerate(self.backward):
            for operand in dict.fromkeys(step.inputs):
                rest = _rewired(self.backward[k + 1 :], step.outs[0], operand)
                yield replace(
                    self,
                    backward=self.backward[:k] + rest,
                    gradients=swapped(self.gradients, step.outs[0], operand),
                )
        for k, step in enumerate(self.forward):
            for operand in dict.fromkeys(step.inputs):
                rest, out = _rewired(self.forward[k + 1 :], step.outs[0], operand), step.outs[0]
                results = swapped(self.results, out, operand)
                if len(set(results)) < len(results) or not set(self.operands).isdisjoint(
                    set(results) - set(self.results)
                ):
                    continue  # one that is handed through is another matter
                yield replace(
                    self,
                    forward=self.forward[:k] + rest,
                    results=results,
                    constant=swapped(self.constant, out, operand),
                    backward=_rewired(self.backward, out, operand),
                    gradients=swapped(self.gradients, out, operand),
                )

    def without_result(self, k: int) -> Function:
        """The same without result number k; what arrived there is what arrives at the first of the others."""
        gone, left = self.arriving[k], self.arriving[:k] + self.arriving[k + 1 :]
        return replace(
            self,
            results=self.results[:k] + self.results[k + 1 :],
            constant=tuple(v for v in self.constant if v != self.results[k]),
            arriving=left,
            backward=_rewired(self.backward, gone, left[0]),
            gradients=swapped(self.gradients, gone, left[0]),
        )

    def without_operand(self, k: int) -> Function:
        """The same without operand number k, for which the first of the others stands in."""
        gone, left = self.operands[k], self.operands[:k] + self.operands[k + 1 :]
        return replace(
            self,
            operands=left,
            forward=_rewired(self.forward, gone, left[0]),
            results=swapped(self.results, gone, left[0]),
            backward=_rewired(self.backward, gone, left[0]),
            gradients=swapped(self.gradients[:k] + self.gradients[k + 1 :], gone, left[0]),
        )


def _needed(ops: Sequence[Apply], wanted: set[Var]) -> tuple[Apply, ...]:
    kept: list[Apply] = []
    for step in reversed(ops):
        if not wanted.isdisjoint(step.outs):
            kept.append(step)
            wanted |= set(step.inputs)
    return tuple(reversed(kept))


def _rewired(ops: Sequence[Apply], old: Var, new: Var) -> tuple[Apply, ...]:
    return tuple(replace(step, inputs=swapped(step.inputs, old, new)) for step in ops)


@dataclass(frozen=True, slots=True)
class ApplyFunction(Step):
    """A user-defined function applied to tensors: `outs = function(*inputs)`.

    within: steps of the program that its backward takes before it computes anything, such as another backward;
        they may use variables of the program, and bind some.
    """

    function: Function
    inputs: tuple[Var, ...]
    within: tuple[Step, ...] = ()

    @property
    def contradictory(self) -> bool:
        """Whether one tensor is handed through twice, and only once of these two as not differentiable."""
        given = dict(zip(self.function.operands, self.inputs, strict=True))
        both = [
            {given[v] for v in self.function.results if v in given and (v in self.function.constant) is c}
            for c in (False, True)
        ]
        return not both[0].isdisjoint(both[1])

    def uses(self) -> tuple[Var, ...]:
        """The operands, and what its nested steps use."""
        return (*self.inputs, *used_within(self.within))

    def rewired(self, old: Var, new: Var) -> Step:
        """The same step with variable `old` replaced by `new`, in its nested steps, too."""
        within = tuple(step.rewired(old, new) for step in self.within)
        return replace(self, inputs=swapped(self.inputs, old, new), within=within)

    def simpler(self) -> Iterator[ApplyFunction]:
        """The steps that are one thing simpler; those with fewer results leave out the last ones."""
        function = self.function
        for k in range(len(self.within)):
            yield replace(self, within=self.within[:k] + self.within[k + 1 :])
        for k in range(len(self.outs) if len(self.outs) > 1 else 0):
            less = function.without_result(k).pruned()
            yield replace(self, function=less, outs=self.outs[:k] + self.outs[k + 1 :])
        for k in range(len(self.inputs) if len(self.inputs) > 1 else 0):
            less = function.without_operand(k).pruned()
            yield replace(self, function=less, inputs=self.inputs[:k] + self.inputs[k + 1 :])
        for other in function.simpler():
            if other.pruned() != function:
                yield replace(self, function=other.pruned())


def gives_none(steps: Iterable[Step]) -> bool:
    """Whether a user-defined function has no gradient for an operand."""
    return any(isinstance(step, ApplyFunction) and None in step.function.gradients for step in steps)


def passes_on(steps: Iterable[Step]) -> bool:
    """Whether a user-defined function may be asked where another gives None: with zeros for what arrives, or not."""
    functions = [step for step in steps if isinstance(step, ApplyFunction)]
    return len(functions) > 1 and gives_none(functions)
