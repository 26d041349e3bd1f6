"""Programs rewritten into others that must give the same gradients, and the comparison of the two.

Values are compared engine against engine. The reference is asked for one thing only: how far two ways of
computing the same may be apart by rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from gradlaws.conformance.engines.exceptions import described
from gradlaws.conformance.entropy import Array
from gradlaws.conformance.execution.oracle import Expected, believe
from gradlaws.conformance.execution.trace import Trace
from gradlaws.conformance.language.checkpoints import Checkpoint
from gradlaws.conformance.language.program import Program
from gradlaws.conformance.language.source import name, statement
from gradlaws.conformance.language.steps import (
    Apply,
    Backward,
    Detach,
    Hook,
    InPlace,
    Leaf,
    Literal,
    ReadGrad,
    RequireGrad,
    RetainGrad,
    Step,
    Var,
)
from gradlaws.conformance.laws.trial import Trial
from gradlaws.conformance.ops import INPLACE, TABLE
from gradlaws.conformance.ops.table import Elementwise

Bound = Callable[[], Array]
#: Ops that change nothing, with their parameters; what the engine lacks is passed over.
IDENTITIES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("clone", {}),
    ("add_scalar", {"value": 0.0}),
    ("mul_scalar", {"value": 1.0}),
)
#: Ops that change nothing with a constant full of such numbers as other operand.
NEUTRAL = (("add", 0.0), ("mul", 1.0))


def free(program: Program) -> Var:
    """A number that no variable of the program has."""
    return 1 + max((v for step in program for v in step.outs), default=-1)


# -- rewriting -----------------------------------------------------------------------------------------------


def with_contents(program: Program, contents: Mapping[Var, Array]) -> Program:
    """Some leaves filled with other contents."""
    return Program(
        tuple(
            replace(step, value=Literal(np.array(contents[step.outs[0]])))
            if isinstance(step, Leaf) and step.outs[0] in contents
            else step
            for step in program
        )
    )


def unpacked(program: Program) -> Program:
    """The program with each checkpointed part replaced by its ops."""
    steps: list[Step] = []
    for step in program:
        steps += step.ops() if isinstance(step, Checkpoint) else (step,)
    return Program(tuple(steps))


def padded(program: Program, ops: Iterable[str], values: Mapping[Var, Array]) -> Program:
    """After each op and each tracked leaf an identity, through which it is used from there on."""
    have = set(ops)
    plain = [(op, params) for op, params in IDENTITIES if op in have]
    neutral = [(op, number) for op, number in NEUTRAL if op in have]
    steps: list[Step] = []
    names: dict[Var, Var] = {}
    new, turn = free(program), 0
    for step in program:
        if isinstance(step, Apply | Backward | Detach):
            step = _renamed(step, names)
        steps.append(step)
        made = isinstance(step, Apply) or (isinstance(step, Leaf) and step.requires_grad)
        for var in step.outs if made and (plain or neutral) else ():
            turn = (turn + 1) % (len(plain) + len(neutral))
            if turn < len(plain):
                op, params = plain[turn]
                steps.append(Apply(op, (var,), tuple(params.items()), outs=(new,)))
            else:
                op, number = neutral[turn - len(plain)]
                steps.append(Leaf(Literal(np.full_like(values[var], number)), outs=(new + 1,)))
                steps.append(Apply(op, (var, new + 1), outs=(new,)))
            names[var], new = new, new + 2
    return Program(tuple(steps))


def _renamed(step: Step, names: Mapping[Var, Var]) -> Step:
    for old in dict.fromkeys(step.uses()):
        if old in names:
            step = step.rewired(old, names[old])
    return step


def expanded(program: Program, values: Mapping[Var, Array]) -> Program:
    """Operands that an op would broadcast are expanded before it."""
    steps: list[Step] = []
    new = free(program)
    for step in program:
        if isinstance(step, Apply) and isinstance(TABLE[step.op].rule, Elementwise) and len(step.inputs) > 1:
            shape = values[step.outs[0]].shape
            inputs = []
            for var in step.inputs:
                if values[var].shape != shape:
                    steps.append(Apply("expand", (var,), (("shape", shape),), outs=(new,)))
                    var, new = new, new + 1
                inputs.append(var)
            step = replace(step, inputs=tuple(inputs))
        steps.append(step)
    return Program(tuple(steps))


def with_constants(program: Program, values: Mapping[Var, Array]) -> Program:
    """Each detached tensor is a new constant with the same contents."""
    return Program(
        tuple(
            Leaf(Literal(np.array(values[step.outs[0]])), False, outs=step.outs)
            if isinstance(step, Detach)
            else step
            for step in program
        )
    )


def out_of_place(program: Program) -> Program | None:
    """Each in-place op is read as a new value that takes the old one's place; None where no op can say so."""
    steps: list[Step] = []
    names: dict[Var, Var] = {}
    new = free(program)
    for step in program:
        step = _renamed(step, names)
        if isinstance(step, InPlace):
            row = INPLACE[step.op].row
            if "internal" in row.tags:
                return None
            old = next((k for k, v in names.items() if v == step.target), step.target)
            step = Apply(row.name, (step.target, *step.inputs), step.params, outs=(new,))
            names[old], new = new, new + 1
        steps.append(step)
    return Program(tuple(steps))


def cut(program: Program, chosen: Iterable[Var]) -> Program:
    """The graph cut at some non-leaves: each is detached and used as a leaf, and handed its gradient afterwards."""
    wanted, cuts = set(chosen), list[tuple[Var, Var]]()
    steps: list[Step] = []
    names: dict[Var, Var] = {}
    new = free(program)
    for step in program:
        step = _renamed(step, names)
        steps.append(replace(step, retain_graph=True) if isinstance(step, Backward) else step)
        for var in step.outs if isinstance(step, Apply) else ():
            if var in wanted:
                steps += [Detach(var, outs=(new,)), RequireGrad(new)]
                cuts.append((var, new))
                names[var], new = new, new + 1
    for var, leaf in reversed(cuts):
        steps += [ReadGrad(leaf, outs=(new,)), Backward((var,), (new,), retain_graph=True)]
        new += 1
    return Program(tuple(steps))


def instrumented(program: Program, tracked: Iterable[Var], has: frozenset[str]) -> Program:
    """Non-leaves retain their gradients, everything has a hook that only looks, graphs are kept."""
    wanted = set(tracked)
    steps: list[Step] = []
    handle = 0
    for step in program:
        if isinstance(step, Backward) and step.retain_graph is None and "retain_graph" in has:
            step = replace(step, retain_graph=True)
        steps.append(step)
        for var in step.outs if isinstance(step, Apply | Leaf) else ():
            if var in wanted:
                if "retain_grad" in has:
                    steps.append(RetainGrad(var))
                if "register_hook" in has:
                    steps.append(Hook(var, handle))
                    handle += 1
    return Program(tuple(steps))


def without(program: Program, gone: set[Var]) -> Program:
    """The program without the steps that make or use some variables."""
    return Program(
        tuple(step for step in program if gone.isdisjoint(step.outs) and gone.isdisjoint(step.uses()))
    )


# -- comparing -----------------------------------------------------------------------------------------------


def values_of(trace: Trace) -> dict[Var, Array]:
    """What the variables held when they were made."""
    found: dict[Var, Array] = {}
    for moment in trace:
        for var, seen in moment.seen.items():
            if var not in found and seen.value is not None:
                found[var] = seen.value
    return found


def refused(trace: Trace) -> bool:
    """Whether some step ended with an error, or was not run."""
    return any(moment.raised is not None or moment.skipped for moment in trace)


def drift(want: Expected, var: Var) -> Array:
    """How far an engine may be off in the last gradient of a variable, over all backwards."""
    errors = [
        moment.seen[var].error
        for moment in want
        if isinstance(moment.step, Backward) and moment.raised is None and var in moment.seen
    ]
    return np.asarray(sum((error() for error in errors if error is not None), 0.0))


class Other:
    """Another program on the same engine."""

    def __init__(self, t: Trial, program: Program, way: str = "the rewritten program") -> None:
        self.t = t
        self.program = program
        t.others.append((way, program))
        self.got = t.rerun(program)
        self._want: Expected | None = None
        #: Where gradients are declared not to accumulate, several backwards are not one: each program stands by itself.
        self._own_way = not {"accumulation", "use"}.isdisjoint(t.backend.dialect.departures)

    @property
    def want(self) -> Expected:
        """What the reference expects of it; only asked where something is not equal to the bit."""
        if self._want is None:
            self._want = believe(self.program, self.got, dialect=self.t.standard.conventions(self.t.backend))
        return self._want

    def grad(self, var: Var) -> Array | None:
        """The gradient of a variable at the end."""
        return self.got.final[var].grad if var in self.got.final else None

    def agrees(self, leaves: Iterable[Var], way: str) -> None:
        """Assert that leaves have the gradients that they have in the program on trial."""
        self.t.others = [(way if p is self.program else said, p) for said, p in self.t.others]
        for moment in self.got:
            said = "skipped" if moment.skipped else "" if moment.raised is None else described(moment.raised)
            self.t.claim(not said, partial(self._step, moment.step, way), f"refused: {said}", "accepted")
        for var in leaves:
            mine = self.t.got.final[var].grad
            if self._own_way:
                same(self.t, f"{name(var)}.grad", mine, _last(self.t.want, var), _drifting(self.t.want, var))
                same(
                    self.t,
                    f"{name(var)}.grad in {way}",
                    self.grad(var),
                    _last(self.want, var),
                    _drifting(self.want, var),
                )
                continue
            same(
                self.t,
                f"{name(var)}.grad, compared with that of {way}",
                mine,
                self.grad(var),
                self.bound(var),
            )

    def _step(self, step: Step, way: str) -> str:
        return f"`{statement(step, self.t.backend.spellings)}` in {way}"

    def bound(self, var: Var) -> Bound:
        """How far rounding may drive the gradients of a variable in both programs apart."""
        return lambda: drift(self.t.want, var) + drift(self.want, var)


def _drifting(want: Expected, var: Var) -> Bound:
    return lambda: drift(want, var)


def _last(want: Expected, var: Var) -> Array | None:
    """The gradient that is expected at the end."""
    seen = next((m.seen[var] for m in reversed(want.moments) if var in m.seen), None)
    return None if seen is None else seen.grad


def same(t: Trial, thing: str, got: Array | None, other: Array | None, bound: Bound | None) -> None:
    """Assert that two gradients are the same but for rounding; None is as good as zeros."""
    if got is None or other is None:
        left = got if other is None else other
        t.claim(left is None or not left.any(), thing, got, other)
    else:
        t.close(thing, got, other, bound)
