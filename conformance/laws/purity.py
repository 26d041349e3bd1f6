"""META-16: differentiating is pure. Backward changes .grad, and nothing else."""

from __future__ import annotations

from gradlaws.conformance.language.source import name
from gradlaws.conformance.language.steps import Backward
from gradlaws.conformance.laws.invariants import intact
from gradlaws.conformance.laws.registry import law
from gradlaws.conformance.laws.trial import Trial
from gradlaws.strategies.builder import Builder
from gradlaws.strategies.graphs import bystanders, graph

DOC = "https://docs.pytorch.org/docs/2.13/generated/torch.Tensor.backward.html"


def differentiated(b: Builder) -> None:
    """One or two backwards through a graph, with something beside it."""
    grown = graph(b)
    bystanders(b, grown)
    b.turn()
    if b.has("retain_graph") and b.entropy.chance(50):
        b.backward(grown.root, retain_graph=True)
    b.backward(grown.root)


@law("META-16", f"{DOC} (of all attributes only .grad is named)", differentiated, stored=False)
def backward_changes_nothing_but_grad(t: Trial) -> None:
    """A backward changes no contents, no flag and no leaf-ness of any tensor."""
    intact(t)
    for at in t.at(Backward):
        for var, seen in at.got.seen.items():
            before = t.before(at, var)
            if before is None or before.requires_grad is None:
                continue
            t.equal(f"{name(var)}.requires_grad", seen.requires_grad, before.requires_grad, at)
            t.equal(f"{name(var)}.is_leaf", seen.is_leaf, before.is_leaf, at)
