"""RET: retain_grad() beside in-place ops, hooks, lifetimes, and the gradients of other tensors."""

from __future__ import annotations

import gc
from collections.abc import Callable
from weakref import ref

from gradlaws.conformance.entropy import Array
from gradlaws.conformance.execution.interpreter import Interpreter
from gradlaws.conformance.language.aliasing import neighbours
from gradlaws.conformance.language.program import Program
from gradlaws.conformance.language.source import name
from gradlaws.conformance.language.steps import Backward, Hook, InPlace, RetainGrad, Step, Var
from gradlaws.conformance.laws.inplace import written
from gradlaws.conformance.laws.registry import law
from gradlaws.conformance.laws.retain_grad import METHOD, TESTS, once_or_twice, onwards, retaining
from gradlaws.conformance.laws.trial import Stage, Trial
from gradlaws.conformance.laws.value_comparison import excess
from gradlaws.strategies.builder import Builder, Vocabulary
from gradlaws.strategies.graphs import bystanders, graph
from gradlaws.strategies.in_place_writes import harmless

ORDER = "https://docs.pytorch.org/docs/2.13/notes/autograd.html#order-of-hooks"

# -- in-place ops --------------------------------------------------------------------------------------------


def written_while_retaining(b: Builder) -> None:
    """A retaining tensor is used, written to, and used again."""
    grown = graph(b)
    y = harmless(b, grown.root)
    b.retain(y)
    b.turn()
    old = harmless(b, y) if b.entropy.chance(60) else None
    for _ in range(1 + b.entropy.below(2)):
        b.turn()
        b.drawn_inplace(y)
    if b.entropy.chance(20):
        b.retain(y)
    b.turn()
    root = b.unary(y)
    if old is not None:
        root = b.binary(root, old)
    once_or_twice(b, root)


@law(
    "RET-13",
    f"{TESTS} test_retain_grad_inplace",
    written_while_retaining,
    needs=("retain_grad", "inplace"),
    after=("RET-01", "INP-08"),
)
def retaining_follows_the_latest_value(t: Trial) -> None:
    """After an in-place op a retained gradient is that of the tensor's new value, not of the one it had."""
    written: set[Var] = set()
    asked_for: set[Var] = set()
    for at in t.succeeded(Step):
        if isinstance(at.step, RetainGrad):
            asked_for.add(at.step.x)
        elif isinstance(at.step, InPlace) and at.step.target in asked_for:
            written.add(at.step.target)
        elif isinstance(at.step, Backward):
            for var in retaining(at):
                if var in written:
                    t.grad(at, var)


def written_through_views(b: Builder) -> None:
    """A tensor and views of it: some retain, some are written to, in any order, all of them are used."""
    grown = graph(b)
    base = harmless(b, grown.root)
    family = [base]
    for _ in range(1 + b.entropy.below(2)):
        family.append(b.view(b.entropy.pick(family)))
    for _ in range(1 + b.entropy.below(2)):
        b.turn()
        b.retain(b.entropy.pick(family[::-1]))
        old = harmless(b, b.entropy.pick(family)) if b.entropy.chance(40) else None
        targets = [v for v in family[::-1] if b.writable(v)]
        if targets:
            b.drawn_inplace(b.entropy.pick(targets))
    b.turn()
    root = b.binary(b.entropy.pick(family), b.entropy.pick(family[::-1]))
    root = root if old is None else b.binary(root, old)
    once_or_twice(b, root)


@law(
    "RET-14",
    f"{TESTS} test_retain_grad_inplace_over_view",
    written_through_views,
    needs=("retain_grad", "inplace", "views"),
    after=("RET-01", "RET-13", "INP-08"),
)
def retaining_follows_writes_through_views(t: Trial) -> None:
    """Writing to a view, or to what it is a view of, moves retained gradients to the new values likewise."""
    families = neighbours(t.program)
    for at in t.succeeded(Backward):
        targets = written(t, at)
        for var in retaining(at):
            if len(families[var]) > 1 and not families[var].isdisjoint(targets):
                t.grad(at, var)


# -- and everything else -------------------------------------------------------------------------------------


def hooks_on_retaining(b: Builder) -> None:
    """Hooks on a retaining tensor, registered before and after retain_grad(); some change the gradient."""
    grown = graph(b)
    y = b.entropy.pick((*grown.inner, grown.root))
    effects = ("double", "negate", "double", "none")
    if b.entropy.chance(50):
        b.hook(y, b.entropy.pick(effects))
    b.retain(y)
    for _ in range(1 + b.entropy.below(2)):
        b.hook(y, b.entropy.pick(effects))
    b.turn()
    root = onwards(b, grown.root) if b.entropy.chance(50) else grown.root
    once_or_twice(b, root)


@law(
    "RET-17",
    f"{ORDER}; {TESTS} test_retains_grad_can_always_observe_tensor_prehook",
    hooks_on_retaining,
    needs=("retain_grad", "register_hook"),
    after=("RET-01",),
)
def retained_gradients_come_after_all_hooks(t: Trial) -> None:
    """What is retained is what all hooks on the tensor made of its gradient, early and late ones."""
    hooked = {step.x for step in t.program if isinstance(step, Hook)}
    for at in t.succeeded(Backward):
        for var in retaining(at):
            if var in hooked:
                t.grad(at, var)


def _deaths(s: Stage, b: Builder, program: Program, var: Var) -> tuple[bool, bool]:
    """Whether a tensor goes with the last reference to it, and whether it goes with its graph."""
    interpreter = Interpreter(s.backend)
    for index, step in enumerate(program):
        interpreter.do(index, step)
    env = interpreter.env
    watched = ref(env[var])
    del env[var]
    alone = watched() is None
    env.clear()
    if watched() is not None:
        gc.collect()
    return alone, watched() is None


@law("RET-19", f"{TESTS} test_retain_grad_cycle", needs=("retain_grad", "lifetime"))
def retaining_keeps_nothing_alive(s: Stage) -> None:
    """A tensor that retains its gradient is freed no later than it would be otherwise."""
    b = Builder(s.entropy, Vocabulary.of(s.backend))
    grown = graph(b)
    end = b.unary(grown.root, ("exact", "move"))
    chosen = b.entropy.pick((grown.root, *grown.inner))
    plain = b.program()
    b.steps.insert(len(b.steps) - b.entropy.below(2), RetainGrad(chosen))
    if b.entropy.chance(40):
        plain = Program((*plain.steps, *_seeded(b, end)))
    without, among = _deaths(s, b, plain, chosen), _deaths(s, b, b.program(), chosen)
    thing = f"{name(chosen)} of\n{b.program()}\n"
    s.claim(among[0] or not without[0], f"{thing}after its last reference has gone", "alive", "freed")
    s.claim(among[1] or not without[1], f"{thing}after its graph has gone", "alive", "freed")


def _seeded(b: Builder, root: Var) -> tuple[Step, ...]:
    """The steps of a backward from `root`, which are appended."""
    start = len(b.steps)
    b.backward(root)
    return tuple(b.steps[start:])


def with_others(b: Builder) -> None:
    """Tensors in the middle of things retain, with several backwards and other gradients to disturb."""
    grown = graph(b)
    for _ in range(1 + b.entropy.below(3)):
        b.retain(b.entropy.pick((*grown.inner, grown.root)))
    b.turn()
    root = onwards(b, grown.root) if b.entropy.chance(60) else grown.root
    bystanders(b, grown)
    b.turn()
    once_or_twice(b, root)
    if b.entropy.chance(30):
        b.backward(graph(b).root)


@law(
    "RET-20",
    f"{METHOD} (nothing is said of other tensors)",
    with_others,
    needs=("retain_grad",),
    stored=False,
)
def retaining_changes_no_other_gradient(t: Trial) -> None:
    """The same program without retain_grad() leaves the same gradients in all other tensors."""
    steps = t.program.steps
    without = Program(tuple(step for step in steps if not isinstance(step, RetainGrad)))
    if len(without) == len(steps):
        return
    again = iter(t.rerun(without))
    plain = {m.index: n for m in t.got for n in ([next(again)] if not isinstance(m.step, RetainGrad) else [])}
    errors: dict[Var, list[Callable[[], Array]]] = {}

    def both(var: Var) -> Callable[[], Array] | None:
        """How far apart two runs may be: each makes errors of its own, and keeps those of earlier backwards."""
        made = errors.get(var)
        return None if made is None else lambda: 2 * sum((error() for error in made[1:]), made[0]())

    for at in t.succeeded(Backward):
        accepted = plain[at.index].raised is None
        t.claim(accepted, t.quoted(at.index), "accepted", "refused, as without retain_grad()", at)
        reached = t.reached(at)
        for var, want in at.want.seen.items():
            if want.retains or (var not in reached and want.grad is not None):
                continue  # what was there before has been compared, with the bound that it had then
            if want.error is not None:
                errors.setdefault(var, []).append(want.error)
            got, other = at.got.seen[var].grad, plain[at.index].seen[var].grad
            if got is None or other is None:
                t.claim(got is other, f"{name(var)}.grad", got, other, at)
            else:
                t.claim(excess(got, other, both(var)) <= 1, f"{name(var)}.grad", got, other, at)
