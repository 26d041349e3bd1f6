"""META: programs that say the same in other words must get the same gradients."""

from __future__ import annotations

from dataclasses import replace

from gradlaws.conformance.language.program import Program
from gradlaws.conformance.language.source import name
from gradlaws.conformance.language.steps import Apply, Backward, Detach, InPlace, Leaf
from gradlaws.conformance.laws.metamorphic import backwards, leaves_of, origins, plain, tracked
from gradlaws.conformance.laws.registry import law
from gradlaws.conformance.laws.rewrites import (
    Other,
    cut,
    expanded,
    out_of_place,
    padded,
    values_of,
    with_constants,
)
from gradlaws.conformance.laws.trial import Trial
from gradlaws.conformance.ops import INPLACE, TABLE
from gradlaws.strategies.builder import Builder
from gradlaws.strategies.graphs import dag, diamond, graph, scalar_graph
from gradlaws.strategies.in_place_writes import harmless

DOC = "https://docs.pytorch.org/docs/2.13/"
METHOD = DOC + "generated/torch.Tensor.backward.html"
NOTES = DOC + "notes/autograd.html"
BROADCASTING = DOC + "notes/broadcasting.html"
SAVED = DOC + "autograd.html (saved tensors; save_on_cpu)"
DETACH = DOC + "generated/torch.Tensor.detach.html"


@law("META-04", NOTES, plain, after=("VAL-01",), stored=False)
def identities_change_no_gradient(t: Trial) -> None:
    """Passing tensors through a clone, adding 0 or multiplying by 1 on the way changes no gradient."""
    if backwards(t):
        other = padded(t.program, t.backend.repertoire, values_of(t.got))
        if len(other) > len(t.program):
            Other(t, other).agrees(leaves_of(t), "the same program with identities between its ops")


def broadcasting(b: Builder) -> None:
    """Results of operands of different shapes."""
    x = b.leaf(b.entropy.pick(((2, 3), (2, 2), (3,), (2, 1, 2))))
    for _ in range(1 + b.entropy.below(3)):
        b.turn()
        shape = b.shape(x)
        y = b.leaf(b.entropy.pick((shape[1:], tuple(1 if k else n for k, n in enumerate(shape)), ())))
        row = b.entropy.pick(("mul", "add", "sub"))
        made = b.apply(row, x, y) if b.has(row) else None
        x = b.binary(x, y) if made is None else made
    b.turn()
    b.backward(x)


@law("META-05", BROADCASTING, broadcasting, needs=("expand",), after=("VAL-03",), stored=False)
def broadcasting_is_expanding(t: Trial) -> None:
    """Expanding an operand before an op gives it the gradient that broadcasting it in the op does."""
    if backwards(t):
        other = expanded(t.program, values_of(t.got))
        if len(other) > len(t.program):
            Other(t, other).agrees(leaves_of(t), "operands expanded first")


@law("META-19", SAVED, plain, needs=("memory_strategies", "calls"), after=("META-17",), stored=False)
def another_memory_strategy_changes_no_gradient(t: Trial) -> None:
    """Under another memory strategy of the engine's the same program gives the same gradients."""
    if backwards(t):
        for said, strategy in t.backend.memory_strategies().items():
            with strategy():
                other = Other(t, t.program)
            other.agrees(leaves_of(t), f"the same program under {said}")


def detached(b: Builder) -> None:
    """A detached tensor used beside what it was detached from."""
    grown = graph(b)
    x = b.entropy.pick((grown.root, *grown.inner, *grown.leaves))
    b.turn()
    part = b.unary(b.detach(x)) if b.entropy.chance(50) else b.detach(x)
    b.turn()
    b.backward(b.binary(grown.root, part))


@law("META-06", DETACH, detached, needs=("detach",), after=("DET-02",), stored=False)
def detached_tensors_are_constants(t: Trial) -> None:
    """Replacing a detached tensor by a new constant with the same contents changes no gradient."""
    if backwards(t) and any(isinstance(step, Detach) for step in t.program):
        other = with_constants(t.program, values_of(t.got))
        Other(t, other).agrees(leaves_of(t), "constants in place of detached tensors")


def of_several(b: Builder) -> None:
    """A graph over two leaves or more, and a backward."""
    grown = graph(b)
    root = grown.root if len(grown.leaves) > 1 else b.binary(grown.root, b.leaf(b.shape(grown.root)))
    b.turn()
    b.backward(root)


@law("META-07", NOTES, of_several, after=("REQ-09", "ROOT-15"), stored=False)
def asking_for_fewer_changes_no_other(t: Trial) -> None:
    """Freezing a leaf, or leaving it out of inputs=, changes none of the gradients that are still asked for."""
    leaves = leaves_of(t)
    if not backwards(t) or len(leaves) < 2:
        return
    rest = leaves[1:]
    frozen = [
        replace(step, requires_grad=False) if isinstance(step, Leaf) and step.outs == (leaves[0],) else step
        for step in t.program
    ]
    roots = [v for step in t.program if isinstance(step, Backward) for v in step.roots]
    reached = {leaf for root in roots for leaf in origins(t.program, root)}
    if not reached.isdisjoint(rest):
        Other(t, Program(tuple(frozen))).agrees(rest, f"{name(leaves[0])} frozen")
    if "inputs" in t.backend.capabilities:
        asked = [replace(s, inputs=tuple(rest)) if isinstance(s, Backward) else s for s in t.program]
        Other(t, Program(tuple(asked))).agrees(rest, f"inputs= without {name(leaves[0])}")


#: In-place ops that have an out-of-place form in the table.
TRANSLATED = tuple(n for n, row in INPLACE.items() if "internal" not in row.row.tags)


def written_to(b: Builder) -> None:
    """Results that nothing else shares memory with, written to between uses."""
    pool = [harmless(b, graph(b, dag, diamond).root)]
    for _ in range(2 + b.entropy.below(3)):
        b.turn()
        x = pool[-1 - b.entropy.below(len(pool))]
        if b.entropy.chance(60):
            b.drawn_inplace(x, TRANSLATED)
        else:
            pool.append(harmless(b, x) if b.entropy.chance(60) else b.binary(harmless(b, x), pool[0]))
    b.turn()
    root = pool[-1]
    for x in pool[:-1]:
        root = b.binary(root, x)
    b.backward(root)


@law("META-08", NOTES + "#in-place-correctness-checks", written_to, needs=("inplace",), after=("INP-08",))
def in_place_is_out_of_place(t: Trial) -> None:
    """Where in-place ops raise no error, new values in their place give the same gradients."""
    if backwards(t) and any(isinstance(step, InPlace) for step in t.program):
        other, ops = out_of_place(t.program), t.backend.repertoire
        if other is not None and all(step.op in ops for step in other if isinstance(step, Apply)):
            Other(t, other).agrees(leaves_of(t), "the same program out of place")


def deep(b: Builder) -> None:
    """A graph with a one-element root and several non-leaves on the way."""
    grown = scalar_graph(b, dag, diamond)
    b.turn()
    b.backward(b.binary(grown.root, grown.root) if b.entropy.chance(30) else grown.root)


@law(
    "META-10",
    f"{METHOD}; {DETACH}",
    deep,
    needs=("detach", "set_requires_grad", "retain_graph"),
    after=("DET-13",),
    stored=False,
)
def cut_and_spliced_is_whole(t: Trial) -> None:
    """Cutting a graph at any of its non-leaves, and handing the cuts' gradients on, gives the same gradients."""
    calls = backwards(t)
    if not calls:
        return
    aliases = {
        v for step in t.program if isinstance(step, Apply) and TABLE[step.op].alias for v in step.uses()
    }
    chosen = [
        v
        for step in t.program
        if isinstance(step, Apply) and not TABLE[step.op].alias and not TABLE[step.op].many
        for v in step.outs
        if v not in calls[0].roots and v not in aliases and t.want.moments and tracked(t, v)
        and v in origins(t.program, calls[0].roots[0])
    ]  # fmt: skip
    if chosen:
        Other(t, cut(t.program, chosen)).agrees(leaves_of(t), "the same graph in pieces")
