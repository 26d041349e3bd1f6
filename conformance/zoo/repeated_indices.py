"""M7: indices that repeat, gathering and scattering."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gradlaws.conformance.faults.base_engine import KernelEngine, TapeEngine, scattered
from gradlaws.conformance.reference.jacobian_products import origins
from gradlaws.conformance.reference.node import Node
from gradlaws.conformance.zoo.registry import bug


class _Assigns(TapeEngine):
    """One op assigns what comes back for a position that was picked several times, instead of adding it."""

    op = ""
    #: Only where the result is to be differentiated again.
    recorded_only = False

    def pull(self, node: Node, g: Node) -> Sequence[Node | None]:
        if node.row is None or node.row.name != self.op or (self.recorded_only and not self.modes.enabled):
            return super().pull(node, g)
        return (scattered(g, origins(node), node.inputs[0]), *super().pull(node, g)[1:])


@bug("M7", "pytorch/pytorch/issues/1631", "VAL-07", "ACC-01", "VAL-02", "HO-11")
class GatherAssigns(_Assigns):
    """gather keeps the last of the gradients of an element that was gathered several times."""

    op = "gather"


@bug("M7", "pytorch/pytorch/issues/1528", "VAL-07")
class IndexingAssigns(_Assigns):
    """Indexing with a list of integers keeps the last of the gradients of an element that was picked several times."""

    op = "index"


@bug("M7", "PaddlePaddle/Paddle/pull/17952", "VAL-02", "ACC-01", "VAL-07")
class SelectAssigns(_Assigns):
    """index_select keeps the last of the gradients of a slice that was selected several times."""

    op = "index_select"


@bug("M7", "apache/mxnet/issues/9172", "VAL-07", "VAL-02", "ACC-01")
class PointsAssign(_Assigns):
    """Taking elements by position keeps the last of the gradients of an element that was taken several times."""

    op = "take_elements"


@bug("M7", "PaddlePaddle/Paddle/pull/70250", "HO-11", "HO-14", "HO-23", "META-13")
class ComposedTakeAssigns(_Assigns):
    """take_along_dim assigns instead of adding where its gradient is composed to be differentiated again."""

    op, recorded_only = "take_along_dim", True


@bug("M7", "unslothai/unsloth-zoo/pull/776", "VAL-02", "ACC-01")
class UpdatesReadWithAWrongStride(KernelEngine):
    """The gradient of what scatter_add adds is right in the first row only: the others are read from there as well."""

    kernels = frozenset({"scatter_add"})

    def kernel(self, node: Node, g: Node) -> Sequence[Node | None]:
        first, added = super().kernel(node, g)
        if added is None or self.modes.enabled or added.array.ndim < 2 or added.shape[0] < 2:
            return first, added
        return first, Node(np.broadcast_to(added.array[:1], added.shape).copy())


@bug("M7", "ooples/AiDotNet.Tensors/pull/894", "VAL-02", "ACC-01")
class SelectGathersBack(TapeEngine):
    """The backward of index_select gathers by the indices once more, instead of adding at them, along the first dim."""

    def pull(self, node: Node, g: Node) -> Sequence[Node | None]:
        if node.row is None or node.row.name != "index_select" or node.params.get("dim") != 0:
            return super().pull(node, g)
        picked = np.asarray(node.params["index"])
        if not picked.size or not g.array.size:
            return super().pull(node, g)
        rows = [picked[d % picked.size] % g.shape[0] for d in range(node.inputs[0].shape[0])]
        return (Node(g.array[rows]),)
