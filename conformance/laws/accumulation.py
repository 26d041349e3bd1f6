"""ACC: gradients accumulate. What a backward computes is added to what .grad holds, whoever put it there."""

from __future__ import annotations

from gradlaws.conformance.laws.registry import law
from gradlaws.conformance.laws.trial import Trial
from gradlaws.conformance.steps import Backward
from gradlaws.strategies.builder import Builder
from gradlaws.strategies.graphs import graph

DOC = "https://docs.pytorch.org/docs/2.13/"


def repeated(b: Builder) -> None:
    """Two or three backwards through one graph."""
    grown = graph(b)
    for _ in range(1 + b.entropy.below(2)):
        b.backward(grown.root, retain_graph=True)
    b.backward(grown.root)


@law("ACC-01", DOC + "generated/torch.Tensor.grad.html", repeated, level="core", needs=("retain_graph",), after=("VAL-01",))
def a_second_backward_adds(t: Trial) -> None:
    """A second backward adds to .grad instead of replacing it."""
    for at in t.succeeded(Backward):
        for var in t.leaves(at):
            before = t.before(at, var)
            if before is not None and before.grad is not None:
                t.grad(at, var)
