"""META: how a computation is asked for. Two programs on one engine: no reference is needed, so it is judged, too."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gradlaws.conformance.execution.whole_program_run import watch
from gradlaws.conformance.language.program import Program
from gradlaws.conformance.language.source import name
from gradlaws.conformance.language.steps import Apply, Backward, Leaf, Literal, Look, Mode, Step, Var
from gradlaws.conformance.laws.registry import law
from gradlaws.conformance.laws.rewrites import (
    Other,
    drift,
    instrumented,
    refused,
    same,
    values_of,
    with_contents,
    without,
)
from gradlaws.conformance.laws.trial import Trial
from gradlaws.conformance.ops import TABLE
from gradlaws.strategies.builder import Builder, DeadEnd
from gradlaws.strategies.graphs import Graph, graph, over
from gradlaws.strategies.whole_programs import interplay

DOC = "https://docs.pytorch.org/docs/2.13/"
BACKWARD = DOC + "generated/torch.autograd.backward.html"
METHOD = DOC + "generated/torch.Tensor.backward.html"
NOTES = DOC + "notes/autograd.html"


def backwards(t: Trial) -> list[Backward]:
    """The backwards of the program on trial; none if anything in it was refused."""
    if refused(t.got) or t.want.derailed is not None:
        return []
    return [step for step in t.program if isinstance(step, Backward)]


def leaves_of(t: Trial) -> list[Var]:
    """The leaves that require grad and are there at the end."""
    return [
        s.outs[0] for s in t.program if isinstance(s, Leaf) and s.requires_grad and s.outs[0] in t.got.final
    ]


def origins(program: Program, root: Var) -> set[Var]:
    """The variables that a root is computed from, so that a gradient can arrive there."""
    used = {root}
    for step in reversed(program.steps):
        if isinstance(step, Apply) and not used.isdisjoint(step.outs):
            used.update(v for k, v in enumerate(step.inputs) if k not in TABLE[step.op].passive)
    return used


def tracked(t: Trial, var: Var) -> bool:
    """Whether a variable required grad when it was made, as the reference has it."""
    seen = next((m.seen[var] for m in t.want if var in m.seen), None)
    return seen is not None and bool(seen.requires_grad)


def plain(b: Builder) -> None:
    """A graph and a backward."""
    grown = graph(b)
    b.turn()
    b.backward(grown.root)


# -- the gradient argument, and the order of calls -----------------------------------------------------------


def weighed(b: Builder) -> None:
    """One backward with a drawn gradient argument."""
    grown = graph(b)
    b.turn()
    b.backward(grown.root, b.data(b.shape(grown.root), dtype=b.dtype(grown.root)))


@law("META-01", METHOD, weighed, after=("VAL-02",), stored=False)
def backward_is_linear_in_its_argument(t: Trial) -> None:
    """The gradient for 2 u - v/2 as gradient argument is twice that for u less half of that for v."""
    calls = backwards(t)
    if not calls or calls[0].gradients is None:
        return
    argument = calls[0].gradients[0]
    assert argument is not None
    whole = values_of(t.got)[argument]
    u = np.full_like(whole, 1)
    u.ravel()[::2] = -0.5
    v = (2 * u - whole) * 2
    first, second = (Other(t, with_contents(t.program, {argument: part})) for part in (u, v))
    for var in leaves_of(t):
        got, a, c = t.got.final[var].grad, first.grad(var), second.grad(var)
        if got is None or a is None or c is None:
            same(t, f"{name(var)}.grad", got, a if got is None else got * 0, None)
            continue
        size = np.abs(2 * a) + np.abs(c / 2)
        same(
            t,
            f"{name(var)}.grad for 2 u - v/2, compared with 2 ({name(var)}.grad for u) - ({name(var)}.grad for v)/2",
            got,
            np.asarray(2 * a - c / 2).astype(got.dtype),
            lambda var=var, size=size, got=got: (  # type: ignore[misc]
                drift(t.want, var)
                + 2 * drift(first.want, var)
                + drift(second.want, var) / 2
                + (0.0 if _exact(t, first, second, var) else np.finfo(got.dtype).eps * size)
            ),
        )


def _exact(t: Trial, first: Other, second: Other, var: Var) -> bool:
    return not (drift(t.want, var).any() or drift(first.want, var).any() or drift(second.want, var).any())


def two_roots(b: Builder) -> tuple[Graph, Var, Var]:
    """Two results that have leaves in common."""
    grown = graph(b)
    b.turn()
    other = over(b, *dict.fromkeys((b.entropy.pick(grown.leaves), grown.leaves[0])))
    if not b[other].tracked or b[other].leaf:
        other = b.binary(other, grown.leaves[0])
    return grown, grown.root, other


def one_after_the_other(b: Builder) -> None:
    """Two backwards that keep the graph, from two roots."""
    _, y, z = two_roots(b)
    b.turn()
    seeds = [b.seed(y), b.seed(z)]
    for root, seed in zip((y, z), seeds, strict=True):
        b.backward(root, seed, retain_graph=True)


@law("META-02", BACKWARD, one_after_the_other, needs=("retain_graph",), after=("ACC-02",), stored=False)
def the_order_of_backwards_does_not_matter(t: Trial) -> None:
    """Two backwards leave the same gradients whichever of them comes first."""
    calls = backwards(t)
    if len(calls) == 2:
        rest = [step for step in t.program if not isinstance(step, Backward)]
        Other(t, Program((*rest, *reversed(calls)))).agrees(leaves_of(t), "the backwards in the other order")


def together(b: Builder) -> None:
    """One backward over two or three roots."""
    _, y, z = two_roots(b)
    b.turn()
    roots = (y, z) if b.entropy.chance(60) else (z, y, b.total(y))
    b.backward_many(roots if b.has("order") else tuple(dict.fromkeys(roots)), retain_graph=True)


@law("META-03", BACKWARD, together, needs=("backward_many", "retain_graph"), after=("ACC-05",), stored=False)
def roots_at_once_are_roots_one_by_one(t: Trial) -> None:
    """A backward over several roots leaves the gradients that a backward from each of them leaves."""
    calls = backwards(t)
    if len(calls) == 1 and len(calls[0].roots) > 1:
        call = calls[0]
        seeds = call.gradients or (None,) * len(call.roots)
        single = [
            Backward((root,), None if seed is None else (seed,), retain_graph=True)
            for root, seed in zip(call.roots, seeds, strict=True)
        ]
        steps = [step for step in t.program if not isinstance(step, Backward)]
        Other(t, Program((*steps, *single))).agrees(leaves_of(t), "a backward from each root")


# -- one computation in several parts ------------------------------------------------------------------------


def batch(b: Builder) -> None:
    """The sum over a batch of what is computed from each row and a parameter."""
    rows, width = 2 + b.entropy.below(3), 1 + b.entropy.below(2)
    data, weight = b.data((rows, width)), b.leaf((width,))
    b.turn()
    x = b.must("mul", data, weight)
    for _ in range(b.entropy.below(3)):
        b.turn()
        op = b.entropy.pick(("square", "neg", "tanh", "relu", "exp", "sigmoid"))
        made = b.apply(op, x) if b.has(op) else None
        x = x if made is None else made
        if b.entropy.chance(40):
            x = b.must("add" if b.entropy.chance(50) else "mul", x, weight)
    b.backward(b.must("sum", x, dim=None, keepdim=False))


@law(
    "META-09",
    METHOD,
    batch,
    needs=("constants", "mul", "add", "sum"),
    after=("ACC-01", "ACC-02"),
    stored=False,
)
def small_batches_accumulate_to_the_whole(t: Trial) -> None:
    """The gradients of the rows of a batch, accumulated one by one, are the gradient of their sum."""
    if not backwards(t):
        return
    data, rest = t.program.steps[0], t.program.steps[1:]
    if not isinstance(data, Leaf) or data.requires_grad or data.value.array.ndim != 2:
        return  # made small, it is no batch any more
    size = 1 + max(v for step in t.program for v in step.outs)
    steps: list[Step] = [step for step in rest if isinstance(step, Leaf)]
    weights = {v for step in steps for v in step.outs}
    for k in range(data.value.array.shape[0]):
        row = replace(data, value=Literal(np.array(data.value.array[k : k + 1])))
        steps += [
            _shifted(step, size * (k + 1), weights)
            for step in (row, *rest)
            if step not in steps[: len(weights)]
        ]
    Other(t, Program(tuple(steps))).agrees(leaves_of(t), "a backward for each row of the batch")


def _shifted(step: Step, by: int, fixed: set[Var]) -> Step:
    for var in dict.fromkeys(step.uses()):
        if var not in fixed:
            step = step.rewired(var, var + by)
    return replace(step, outs=tuple(v if v in fixed else v + by for v in step.outs))


# -- what must not matter ------------------------------------------------------------------------------------


@law("META-11", NOTES, plain, needs=("retain_graph",), after=("RET-20",), stored=False)
def neutral_instruments_change_nothing(t: Trial) -> None:
    """retain_grad(), hooks that only look, and kept graphs change no gradient."""
    if not backwards(t):
        return
    wanted = [v for step in t.program for v in step.outs if tracked(t, v)]
    other = Other(t, instrumented(t.program, wanted, t.backend.capabilities))
    other.agrees(leaves_of(t), "the same program under instruments")


def beside(b: Builder) -> None:
    """Two graphs that have nothing in common, each with a backward; the second one's comes first."""
    first = graph(b)
    b.turn()
    second = graph(b)
    b.turn()
    seed = b.seed(first.root)
    b.backward(second.root)
    b.backward(first.root, seed)
    if b.has("retain_graph") and b.entropy.chance(30):
        b.backward(second.root)


@law("META-15", NOTES, beside, after=("NONE-03",), stored=False)
def unrelated_backwards_do_not_interfere(t: Trial) -> None:
    """A backward through a graph that has nothing in common with another changes none of its gradients."""
    calls = [s for s in t.program if isinstance(s, Backward)]
    if len(calls) < 2 or t.want.derailed is not None:
        return
    for call, other in ((calls[1], calls[0]), (calls[0], calls[1])):
        mine = [s for s in calls if s.roots == call.roots]
        own = connected(t.program, {v for s in mine for v in s.uses()})
        if own.isdisjoint(other.roots):
            alone = Other(t, without(t.program, {v for step in t.program for v in step.outs} - own))
            for var in leaves_of(t):
                if var in own:
                    thing = f"{name(var)}.grad, compared with that where nothing else runs"
                    # in which order contributions are added up is nowhere promised
                    same(t, thing, t.got.final[var].grad, alone.grad(var), alone.bound(var))


def connected(program: Program, variables: set[Var]) -> set[Var]:
    """All that is computed from, or together with, some variables."""
    size = 0
    while len(variables) > size:
        size = len(variables)
        for step in program:
            if isinstance(step, Apply) and not variables.isdisjoint((*step.uses(), *step.outs)):
                variables = variables | {*step.uses(), *step.outs}
    return variables


@law("META-17", DOC + "notes/randomness.html", plain, stored=False)
def the_same_program_gives_the_same_bits(t: Trial) -> None:
    """Run again, a program gives the same values and gradients, bit for bit."""
    again = t.rerun(t.program)
    for var, seen in t.got.final.items():
        other = again.final[var]
        t.equal(f"{name(var)}, compared with that of another run", seen.value, other.value)
        t.equal(f"{name(var)}.grad, compared with that of another run", seen.grad, other.grad)


def mixed(b: Builder) -> None:
    """A short whole program, which looks at nothing before its end."""
    interplay(b, 8, 14)
    b.steps[:] = [step for step in b.steps if not isinstance(step, Look)] + [Look()]
    depth = 0
    for step in b.steps:
        if isinstance(step, Mode):
            depth += -1 if step.kind in ("exit", "raise") else 1
        elif isinstance(step, Apply) and TABLE[step.op].alias and depth:
            raise DeadEnd("what an engine views under no_grad it may refuse to look at")


@law(
    "META-18",
    f"{DOC}generated/torch.Tensor.grad.html (of reading it nothing is said)",
    mixed,
    after=("ACC-01",),
    stored=False,
)
def looking_changes_nothing(t: Trial) -> None:
    """Reading contents, .grad and flags after every step changes nothing that happens later."""
    alone = watch(t.program, t.backend)
    for looked, other in zip(t.got, alone, strict=True):
        alone_so, looked_so = ("accepted" if m.raised is None else "refused" for m in (other, looked))
        text = t.quoted(looked.index, " where nothing was read before")
        t.claim(alone_so == looked_so, text, alone_so, looked_so)
    for var, seen in alone.moments[-1].seen.items():
        final = t.got.final[var]
        t.equal(f"{name(var)} where nothing was read before", seen.value, final.value)
        t.equal(f"{name(var)}.grad where nothing was read before", seen.grad, final.grad)
