"""ROOT: which tensors a backward may write to, where inputs= says so."""

from __future__ import annotations

from typing import Any

from gradlaws.conformance.language.steps import Backward
from gradlaws.conformance.laws.registry import law
from gradlaws.conformance.laws.roots import METHOD, TESTS, earlier
from gradlaws.conformance.laws.trial import Trial
from gradlaws.strategies.builder import Builder
from gradlaws.strategies.graphs import bystanders, graph


def restricted(b: Builder) -> None:
    """A backward restricted to some of the leaves, perhaps after another one."""
    grown = graph(b)
    bystanders(b, grown)
    earlier(b, grown.leaves)
    b.turn()
    leaves = list(grown.leaves)
    listed = [leaves.pop(b.entropy.below(len(leaves)))]
    listed += [v for v in leaves if b.entropy.chance(40)]
    options: dict[str, Any] = {"retain_graph": True} if b.has("retain_graph") and b.entropy.chance(50) else {}
    b.backward(grown.root, inputs=tuple(listed), **options)
    if options:
        b.backward(grown.root)


@law("ROOT-15", METHOD, restricted, needs=("inputs",), after=("VAL-01", "VAL-02"), stored=False)
def inputs_restrict_accumulation(t: Trial) -> None:
    """A backward with inputs= writes to the .grad of the tensors listed and of no other."""
    for at in t.succeeded(Backward):
        if at.step.inputs is not None:
            for var in t.leaves(at):
                t.grad(at, var)


def out_of_reach(b: Builder) -> None:
    """A backward whose inputs= lists leaves that the root does not depend on."""
    grown = graph(b)
    earlier(b, grown.leaves)
    b.turn()
    apart = b.leaf() if b.entropy.chance(60) else b.entropy.pick(graph(b).leaves)
    if b.entropy.chance(30):
        b.unary(apart)
    listed = [apart]
    if b.entropy.chance(60):
        listed.insert(b.entropy.below(2), b.entropy.pick(grown.leaves))
    b.turn()
    b.backward(grown.root, inputs=tuple(listed))


@law(
    "ROOT-18",
    f"{TESTS} test_grad_unreachable_discovery, test_backward_with_nonleaf_inputs",
    out_of_reach,
    needs=("inputs",),
    after=("ROOT-15",),
    stored=False,
)
def unreachable_inputs_are_ignored(t: Trial) -> None:
    """An input that the root does not depend on is no error, and its .grad stays as it was, None included."""
    for at in t.outcomes(Backward):
        if at.step.inputs is not None:
            t.allowed(at)
            for var in at.step.inputs if at.got.raised is None else ():
                t.grad(at, var)
