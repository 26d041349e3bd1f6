"""What a law looks at: one program's observed trace beside the expected one, and ways to assert.

Every assertion is counted. The first that does not hold raises `Broken`, with the law that it breaks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from gradlaws.conformance.engines.backend import Backend
from gradlaws.conformance.engines.conventions import PYTORCH, Dialect
from gradlaws.conformance.engines.exceptions import described
from gradlaws.conformance.entropy import Array, Entropy
from gradlaws.conformance.execution.bounded_reference import BoundedReference
from gradlaws.conformance.execution.interpreter import run
from gradlaws.conformance.execution.judging_standard import LENIENT, Standard
from gradlaws.conformance.execution.oracle import Expected
from gradlaws.conformance.execution.trace import Moment, Seen, Trace
from gradlaws.conformance.language.program import Program
from gradlaws.conformance.language.source import name, statement
from gradlaws.conformance.language.steps import Hook, Step, Var
from gradlaws.conformance.laws.breach import Broken, Thing
from gradlaws.conformance.laws.registry import unasked
from gradlaws.conformance.laws.value_comparison import called, excess, shown, vanishes
from gradlaws.conformance.reference.engine import MustRaise


@dataclass(slots=True)
class At:
    """One step: what was observed after it (`got`), and what should have been (`want`)."""

    index: int
    step: Any
    got: Moment
    want: Moment


class Judge:
    """Counts assertions and remembers the worst ratio of error to bound."""

    def __init__(self, law: str) -> None:
        self.law = law
        self.assertions = 0
        self.worst = 0.0

    def claim(
        self,
        holds: bool,
        thing: Thing,
        got: Any = False,
        expected: Any = True,
        at: At | None = None,
        law: str = "",
    ) -> None:
        """Assert something; `thing` is what is looked at."""
        self.assertions += 1
        if not holds:
            index = None if at is None else at.index
            said = thing if isinstance(thing, str) else thing()
            raise Broken(law or self.law, said, shown(got), shown(expected), index)

    def equal(self, thing: str, got: Any, expected: Any, at: At | None = None, law: str = "") -> None:
        """Assert that two observations are the same (arrays: to the bit, shape and dtype included)."""
        if isinstance(got, np.ndarray) and isinstance(expected, np.ndarray | np.generic):
            holds = excess(got, expected, None) == 0
        else:
            holds = type(got) is type(expected) and bool(got == expected)
        self.claim(holds, thing, got, expected, at, law)

    def close(
        self,
        thing: str,
        got: Array,
        want: Array,
        bound: Callable[[], Array] | None,
        at: At | None = None,
        law: str = "",
    ) -> None:
        """Assert that an array is within its error bound."""
        ratio = excess(got, want, bound)
        if ratio <= 1:
            self.worst = max(self.worst, ratio)
        self.claim(ratio <= 1, thing, got, want, at, law)


class Trial(Judge):
    """One program on one engine.

    program: what ran.
    backend: the engine; `rerun` runs another program on it.
    got:     the observed trace.
    want:    the expected trace, up to the first unlawful outcome.
    standard: by what the engine is judged.
    """

    def __init__(
        self,
        law: str,
        program: Program,
        backend: Backend,
        got: Trace,
        want: Expected,
        standard: Standard = LENIENT,
        reference: BoundedReference | None = None,
    ) -> None:
        super().__init__(law)
        #: The error bounds of what hooks were to be shown, and what they were shown after zeros were added.
        self.notes = {} if reference is None else reference.notes
        self.unchanged = set() if reference is None else reference.unchanged
        self.program = program
        self.backend = backend
        self.got = got
        self.want = want
        self.standard = standard
        #: Programs that a relation compares this one with, and what each is, in words.
        self.others: list[tuple[str, Program]] = []

    @cached_property
    def values(self) -> dict[Var, Array]:
        """What the variables held when they were last read as values: when made, or after a write."""
        return {v: s.value for m in self.got.moments for v, s in m.seen.items() if s.value is not None}

    def rerun(self, program: Program) -> Trace:
        """The trace of another program on the same engine, for relations between programs."""
        return run(program, self.backend)

    # -- moments ----------------------------------------------------------------------------------------------

    def at(self, *kinds: type[Step]) -> Iterator[At]:
        """The steps of these kinds that ran and had a lawful outcome."""
        derailed = self.want.derailed
        for got, want in zip(self.got.moments, self.want.moments, strict=False):
            if isinstance(got.step, kinds) and not got.skipped and got.index != derailed:
                yield At(got.index, got.step, got, want)

    def succeeded(self, *kinds: type[Step]) -> Iterator[At]:
        """Those of `at` that did not raise."""
        return (at for at in self.at(*kinds) if at.got.raised is None)

    def outcomes(self, *kinds: type[Step]) -> Iterator[At]:
        """All steps of these kinds that ran, the unlawful one included."""
        for got, want in zip(self.got.moments, self.want.moments, strict=False):
            if isinstance(got.step, kinds) and not got.skipped:
                yield At(got.index, got.step, got, want)

    def before(self, at: At, var: Var) -> Seen | None:
        """What was last observed of `var` before this step."""
        return self.got.before(at.index, var)

    def leaves(self, at: At) -> list[Var]:
        """Live leaves that require grad, as the reference has it, at this step."""
        return [v for v, seen in at.want.seen.items() if seen.is_leaf and seen.requires_grad]

    def reached(self, at: At) -> list[Var]:
        """The tensors whose .grad this step changed, as the reference has it."""
        found = []
        for v, seen in at.want.seen.items():
            if seen.grad is None:
                continue
            before = self.got.before(at.index, v)
            old = None if before is None else before.grad
            if old is None or excess(seen.grad, old, None) != 0:
                found.append(v)
        return found

    def source(self, at: At) -> str:
        """The step as source code."""
        return self.shown(at.index)

    def quoted(self, index: int, where: str = "") -> Thing:
        """Step number `index` as what is looked at."""
        return lambda: f"`{self.shown(index)}`{where}"

    def shown(self, index: int) -> str:
        """Step number `index` as source code."""
        return statement(self.program.steps[index], self.backend.spellings)

    # -- assertions -------------------------------------------------------------------------------------------

    def grad(self, at: At, var: Var, law: str = "") -> None:
        """Assert that .grad of `var` is what the reference expects: None or not, shape, dtype, value."""
        got, want = at.got.seen[var], at.want.seen[var]
        if (
            got.grad is not None
            and want.also is not None
            and excess(got.grad, want.also, want.also_error) <= 1
        ):
            self.assertions += 1
            return
        if got.grad is None and want.grad is not None and vanishes(want.grad) and self.unset(at, var):
            self.assertions += 1  # where the derivative is zero an engine may as well send nothing
            return
        if got.grad is None or want.grad is None:
            self.claim(got.grad is want.grad, f"{name(var)}.grad", got.grad, want.grad, at, law)
            return
        self.close(f"{name(var)}.grad", got.grad, want.grad, want.error, at, law)

    def blank(self, at: At, var: Var) -> bool:
        """Whether .grad of `var` was None or zeros before this step, so that it now shows just what the step adds."""
        before = self.before(at, var)
        return before is None or before.grad is None or not before.grad.any()

    def absent(self, at: At, var: Var) -> None:
        """Assert that .grad of `var` is what it is where no gradient has arrived: None, unless declared otherwise."""
        got, want = at.got.seen[var].grad, at.want.seen[var].grad
        self.equal(f"{name(var)}.grad", got, want, at)

    def unset(self, at: At, var: Var) -> bool:
        """Whether .grad of `var` was None before this step."""
        before = self.before(at, var)
        return before is None or before.grad is None

    def value(self, at: At, var: Var, law: str = "") -> None:
        """Assert that the contents of `var` after the step are what the reference expects."""
        got, want = at.got.seen[var], at.want.seen[var]
        if got.value is not None and want.value is not None:
            self.close(name(var), got.value, want.value, want.value_error, at, law)

    def flag(self, at: At, var: Var, flag: str, law: str = "") -> None:
        """Assert a flag of `var` (`requires_grad`, `is_leaf`, `retains`, `grad_tracked`) as the reference has it."""
        got, want = getattr(at.got.seen[var], flag), getattr(at.want.seen[var], flag)
        if got is not None:
            shown_name = {"retains": "retains_grad", "grad_tracked": "grad.requires_grad"}.get(flag, flag)
            self.equal(f"{name(var)}.{shown_name}", got, want, at, law)

    def calls(self, at: At, hook: Hook) -> None:
        """Assert that a hook was called as often as it should have been during this step, and shown what it should.

        A tensor hook that is called without a gradient breaks HOOK-01, whatever the law is about.
        """
        handle = hook.handle
        all_of_them, expected = ([g for h, g in m.calls if h == handle] for m in (at.got, at.want))
        got, want = (
            [g for g in calls if g.dtype != object or hook.kind != "tensor"]
            for calls in (all_of_them, expected)
        )
        if self.silent(got, want):
            self.assertions += 1
            return
        ratios = [excess(x, y, self.bound_of(y)) for x, y in zip(got, want, strict=False)]
        alike = len(got) == len(want) and max(ratios, default=0.0) <= 1
        if alike and len(expected) == len(all_of_them):
            self.worst = max(self.worst, *ratios, 0.0)
            self.assertions += 1
            return
        law = "HOOK-01" if alike else ""
        self.claim(False, f"hook h{handle}", called(all_of_them), called(expected), at, law)

    def orders(self, got: Moment, want: Moment) -> Iterator[tuple[Var, str, str]]:
        """In which order the hooks on one tensor ran during a step, and should have: (tensor, got, want).

        Where some ran more often than they should have, or not at all, that is another matter.
        """
        hooks: dict[Var, set[int]] = {}
        for step in self.program.steps[: got.index]:
            if isinstance(step, Hook):
                hooks.setdefault(step.x, set()).add(step.handle)
        for x, handles in hooks.items():
            orders = [[handle for handle, _ in m.calls if handle in handles] for m in (got, want)]
            if len(handles) > 1 and sorted(orders[0]) == sorted(orders[1]):
                ran, should = (", ".join(f"h{handle}" for handle in order) for order in orders)
                yield x, ran, should

    def silent(self, got: Sequence[Array], want: Sequence[Array]) -> bool:
        """Whether no gradient came where only zeros are to be had, which is as good."""
        return bool(want) and not got and all(not y.any() or id(y) in self.unchanged for y in want)

    def bound_of(self, shown: Array) -> Callable[[], Array] | None:
        """What computes the error bound of something that a hook was to be shown; None where that was no gradient."""
        known = self.notes.get(id(shown))
        return None if known is None else known[1]

    def raises(self, *laws: str) -> Iterator[At]:
        """Assert that the engine refuses wherever one of these laws (by default this one) says it must.

        Where a right gradient will do instead, and the engine went on, assert that it is right. Yields the
        steps that were refused, as they should be.
        """
        wanted = laws or (self.law,)
        for at in self.outcomes(Step):
            must = at.want.raised
            if isinstance(must, MustRaise) and must.law in wanted and not unasked(must.law, self.backend):
                self.claim(at.got.raised is not None, self.quoted(at.index), "accepted", "an error", at)
                yield at
            elif at.want.tolerated in wanted and at.index != self.want.derailed:
                for var in self.leaves(at):
                    self.grad(at, var)
                for var in (*at.step.outs, *at.step.uses()[:1]):
                    if var in at.got.seen and var in at.want.seen:
                        self.value(at, var)

    def allowed(self, at: At) -> None:
        """Assert that the engine did not raise where there must be no error."""
        if at.want.raised is None:
            raised = at.got.raised
            got = "accepted" if raised is None else described(raised)
            self.claim(raised is None, self.quoted(at.index), got, "no error", at)


class Stage(Judge):
    """What an exhibit looks at: the engine itself, the dialect to judge it by, and entropy to draw from."""

    def __init__(self, law: str, backend: Backend, entropy: Entropy, dialect: Dialect = PYTORCH) -> None:
        super().__init__(law)
        self.backend = backend
        self.entropy = entropy
        self.dialect = dialect

    def tensor(self, values: Any, requires_grad: bool = False) -> Any:
        """A leaf of the engine that holds these numbers, in its usual dtype."""
        return self.backend.tensor(np.array(values, dtype=self.backend.usual), requires_grad)

    def raises(self, thing: str, call: Callable[[], Any]) -> None:
        """Assert that a call is refused."""
        try:
            call()
        except Exception:
            self.assertions += 1
        else:
            self.claim(False, thing, "accepted", "an error")


Check = Callable[[Any], None]
