"""Whether a program asks only for what is defined, and what its tensors hold."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from gradlaws.conformance.engines.backend import Backend
from gradlaws.conformance.engines.exception_containment import contained
from gradlaws.conformance.entropy import Array
from gradlaws.conformance.execution.interpreter import run
from gradlaws.conformance.execution.trace import Trace
from gradlaws.conformance.language.aliasing import neighbours
from gradlaws.conformance.language.checkpoints import Checkpoint
from gradlaws.conformance.language.program import Program
from gradlaws.conformance.language.steps import Apply, InPlace, Var
from gradlaws.conformance.language.threads import Threads
from gradlaws.conformance.language.user_functions import ApplyFunction
from gradlaws.conformance.ops import INPLACE, TABLE
from gradlaws.conformance.ops.kinks import kinked

#: How a program is run: `run`, or what looks at it in another way.
Observe = Callable[[Program, Backend], Trace]
#: Contents by variable, and whether it requires grad.
Contents = dict[Var, tuple[Array, bool]]


def in_domain(program: Program, trace: Trace, kinks: bool = False) -> bool:
    """Whether each op is defined, and of one mind with itself, at the values that it met.

    kinks: whether that includes values at which it has no derivative but a choice of subgradients.
    """
    values: dict[Var, Array] = {}
    aliases = neighbours(program) if any(isinstance(step, InPlace) for step in program) else {}
    for step, moment in zip(program, trace, strict=True):
        if isinstance(step, Apply | InPlace) and not moment.skipped:
            row = TABLE[step.op] if isinstance(step, Apply) else INPLACE[step.op].row
            operands = step.inputs if isinstance(step, Apply) else (step.target, *step.inputs)
            met = [values[v] for v in operands if v in values]
            if len({v.dtype for v in met}) > 1 and len({v.ndim > 0 for v in met}) > 1:
                return False  # which dtype the result has differs from engine to engine
            whole = len(met) == len(operands)
            if whole and row.domain and not row.domain(*met, **dict(step.params)):
                return False
            if whole and not kinks and kinked(row, *met, **dict(step.params)):
                return False
        if isinstance(step, ApplyFunction | Checkpoint) and not moment.skipped:
            inner = step.function.operands if isinstance(step, ApplyFunction) else step.uses()
            outer = step.inputs if isinstance(step, ApplyFunction) else inner
            ops = step.function.forward if isinstance(step, ApplyFunction) else step.ops()
            held = {v: values[w] for v, w in zip(inner, outer, strict=True) if w in values}
            if len(held) == len(set(inner)) and not _computable(ops, held, kinks):
                return False
        if isinstance(step, InPlace):
            for var in aliases[step.target]:
                values.pop(var, None)  # which a whole program may not have looked at since
        values.update((v, seen.value) for v, seen in moment.seen.items() if seen.value is not None)
        for part in step.parts if isinstance(step, Threads) and not moment.skipped else ():
            met_ops = (s for s in part if isinstance(s, Apply) and all(v in values for v in s.inputs))
            if not _computable(met_ops, values, kinks):
                return False
    return True


def _computable(ops: Iterable[Apply], env: dict[Var, Array], kinks: bool) -> bool:
    """Whether each op within a step is defined where it is applied."""
    for op in ops:
        row, met, params = TABLE[op.op], [env[v] for v in op.inputs], dict(op.params)
        if row.domain is not None and not row.domain(*met, **params):
            return False
        if not kinks and kinked(row, *met, **params):
            return False
        env.update(zip(op.outs, row(*met, **params) if row.many else (row(*met, **params),), strict=True))
    return True


def sound(program: Program, backend: Backend, observe: Observe = run, kinks: bool = False) -> bool:
    """Whether a program can be looked at, and asks for nothing that is nowhere defined, or a convention."""
    try:
        with contained():
            return in_domain(program, observe(program, backend), kinks)
    except Exception:
        return False


def contents(program: Program, backend: Backend, observe: Observe = run) -> Contents:
    """What the tensors of a program hold when made, and whether they require grad; nothing where it cannot be seen."""
    found: Contents = {}
    try:
        with contained():
            trace = observe(program, backend)
    except Exception:
        return found
    for moment in trace:
        for var, seen in moment.seen.items():
            if var not in found and seen.value is not None:
                found[var] = seen.value, bool(seen.requires_grad)
    return found
