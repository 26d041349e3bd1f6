"""What to try: Hypothesis strategies for tensors, op chains and programs, for anyone's own tests.

    from hypothesis import given
    from gradlaws.strategies import gradients, op_chains, programs, tensors

    @given(tensors(backend=my_backend), programs(graphs="diamond"))
    def test_something(x, program): ...

Arguments are values or strategies for them, as in `hypothesis.extra.numpy`. A strategy makes few draws, and
discards nearly nothing. Own shapes of program are written with a `Builder`, as a leaning.
"""

from gradlaws.strategies.builder import Builder, DeadEnd, Vocabulary
from gradlaws.strategies.gradients import gradients
from gradlaws.strategies.graphs import Graph, graph, scalar_graph
from gradlaws.strategies.programs import GRAPHS, op_chains, programs
from gradlaws.strategies.shapes import broadcastable_shapes, shapes
from gradlaws.strategies.tensors import DTYPES, dtypes, tensors
from gradlaws.strategies.whole_programs import whole_program, whole_programs

__all__ = [
    "DTYPES",
    "GRAPHS",
    "Builder",
    "DeadEnd",
    "Graph",
    "Vocabulary",
    "broadcastable_shapes",
    "dtypes",
    "gradients",
    "graph",
    "op_chains",
    "programs",
    "scalar_graph",
    "shapes",
    "tensors",
    "whole_program",
    "whole_programs",
]
