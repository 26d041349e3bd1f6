"""Tensors of the reference engine: views of storages, with derivatives by functionalisation.

A storage holds the one current value of some memory, and a version. Tensors that share memory *and* history
(a base and its views) form a family; `detach()` starts a new family over the same storage. An in-place op
computes the new value of its target, scatters it into a new value of the family's root, and raises the
version: every alias sees the new value, and the derivative is that of the out-of-place program.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from math import prod
from typing import Any
from weakref import WeakSet

import numpy as np

from gradlaws.conformance.entropy import Array
from gradlaws.conformance.ops import TABLE, Op
from gradlaws.conformance.ops.table import Elementwise
from gradlaws.conformance.reference.node import Kept, Node, record, untracked


class Storage:
    """Some memory: its current contents (flat, never written to in place) and how often they changed.

    origin: what the memory was made for; with all that was written since, it tells the contents' rounding errors.
    cut:    when a tensor over it was last detached in place.
    """

    __slots__ = ("_written", "array", "cut", "origin", "version")

    def __init__(self, origin: Node) -> None:
        self.array = origin.array.ravel()
        self.version = 0
        self.origin = origin
        self.cut = 0
        self._written: Node | None = None

    @property
    def contents(self) -> Node:
        """The current contents as a constant, flat."""
        if self._written is None:
            whole = np.arange(1, self.array.size + 1)
            self._written = Node(self.array, TABLE["take"], (untracked(self.origin),), {"index": whole})
        return self._written

    def write(self, where: Array, value: Node) -> None:
        """Put the elements of `value` at the positions `where`."""
        index = np.arange(1, self.array.size + 1)
        index[where.ravel()] = self.array.size + 1 + np.arange(where.size)
        old = self.contents
        self.array = self.array.copy()
        self.array[where.ravel()] = value.array.ravel()
        self._written = Node(self.array, TABLE["take"], (old, untracked(value)), {"index": index})
        self.version += 1

    def read(self, where: Array) -> Node:
        """What is at the positions `where`, as a constant."""
        return Node(self.array[where], TABLE["take"], (self.contents,), {"index": where + 1})


class Family:
    """A base and its views: what shares both memory and history.

    where:  for each element of the root, its position in the storage.
    anchor: the root's place in the history: the node of its latest recorded value.
    stamp:  changes whenever the anchor does.
    """

    __slots__ = ("_node", "_seen", "anchor", "stamp", "storage", "where")

    def __init__(self, storage: Storage, where: Array, node: Node) -> None:
        self.storage = storage
        self.where = where
        self.stamp = 0
        self.anchor = node
        self._node = node
        self._seen = storage.version

    @property
    def node(self) -> Node:
        """The root's current node. A write that bypassed the history changes the value, not the derivative."""
        if self._seen != self.storage.version:
            self._node = unrecorded(self.anchor, self.storage.read(self.where))
            self._seen = self.storage.version
        return self._node

    def _replace(self, node: Node) -> None:
        self.anchor = self._node = node
        self._seen = self.storage.version
        self.stamp += 1

    def become(self, node: Node) -> None:
        """Give the root another node with the same value (a flag changed)."""
        self._replace(node)

    def relabel(self, node: Node) -> None:
        """Give the root another node because a flag changed: what was viewed before stays as it was recorded."""
        self.anchor = self._node = node
        self._seen = self.storage.version

    def resume(self, node: Node) -> None:
        """Give a leaf that requires grad again its old place in the history; it may hold another value now."""
        self.anchor = self._node = node
        same = node.array.tobytes() == self.storage.array[self.where].tobytes()
        self._seen = self.storage.version if same else -1

    def write(self, within: Array, value: Node, recorded: bool) -> None:
        """Write `value` at the elements `within` (1-based, into the root)."""
        root = self.node
        self.storage.write(self.where.ravel()[within.ravel() - 1], value)
        if recorded:
            index = np.arange(1, root.array.size + 1)
            index[within.ravel() - 1] = root.array.size + 1 + np.arange(within.size)
            index = index.reshape(root.shape)
            params = {"index": index}
            array = self.storage.array[self.where]
            tracked = root.tracked or value.tracked
            self._replace(Node(array, TABLE["take"], (root, value), params, tracked))


class Tensor:
    """A tensor of the reference engine: a view of a family's root.

    within: for each element, its 1-based position in the root.
    grad:   what `.grad` reads.
    error:  for a gradient: computes the bound of the rounding error that an engine may show in it.
    place:  for a leaf whose flag was cleared: its place in the history while it required grad.
    """

    __slots__ = (
        "__weakref__",
        "_anchor",
        "_node",
        "_seen",
        "_stamp",
        "device",
        "error",
        "family",
        "grad",
        "hooks",
        "is_root",
        "place",
        "post_hooks",
        "retains",
        "within",
    )

    def __init__(self, family: Family, within: Array, node: Node, is_root: bool) -> None:
        self.family = family
        self.within = within
        self.is_root = is_root
        self._anchor = self._node = node
        self._seen = family.storage.version
        self._stamp = family.stamp
        self.grad: Tensor | None = None
        self.error: Callable[[], Array] | None = None
        self.retains = False
        self.device = "here"
        self.place: Node | None = None
        self.hooks: list[Any] = []
        self.post_hooks: list[Any] = []

    @property
    def node(self) -> Node:
        """The node of the tensor's current value."""
        if self.is_root:
            family = self.family
            return family._node if family._seen == family.storage.version else family.node
        anchor = self.anchor
        if self._seen != self.family.storage.version:
            root = self.family.node
            self._node = anchor
            if root is not self.family.anchor:
                self._node = unrecorded(
                    anchor, self.family.storage.read(self.family.where.ravel()[self.within - 1])
                )
            self._seen = self.family.storage.version
        return self._node

    @property
    def anchor(self) -> Node:
        """The tensor's place in the history: the node of its latest recorded value."""
        if self.is_root:
            return self.family.anchor
        if self._stamp != self.family.stamp:
            self._anchor = record(TABLE["take"], (self.family.anchor,), {"index": self.within})
            self._stamp = self.family.stamp
            self._seen = -1
        return self._anchor

    @property
    def array(self) -> Array:
        """The current contents."""
        return self.node.array

    @property
    def requires_grad(self) -> bool:
        """Whether gradients flow to or through the tensor."""
        return self.node.tracked

    @property
    def is_leaf(self) -> bool:
        """Whether no recorded op made the current value."""
        anchor = self.family.anchor if self.is_root else self.anchor
        return not anchor.tracked or anchor.owner is not None

    def kept(self, law: str) -> Kept:
        """The current value as something that backward may need again."""
        family = self.family
        storage, within = family.storage, None if self.is_root else self.within
        return Kept(storage, storage.version, family.where, within, self.node.array, law)

    def release(self) -> None:
        """Undo the cycles in which a tensor and its history hold each other; there will be no backward."""
        for node in (self.family.anchor, self._anchor):
            node.owner = None
            node.kept.clear()
        self.place = None

    def alone(self, node: Node) -> None:
        """Leave the family: from now on the root of one of its own, over the same storage."""
        where = self.family.where.ravel()[self.within - 1]
        self.family = Family(self.family.storage, where, node)
        self.within = _whole(node.array.shape)
        self.is_root = True
        self._anchor = self._node = node

    def adopted(self, array: Array) -> Tensor:
        """Give the tensor other contents, as if it had been computed so."""
        storage = self.family.storage
        if not self.is_root or (array.shape, array.dtype, array.size) != (
            self.within.shape,
            storage.array.dtype,
            storage.array.size,
        ):
            return fresh(Node(array))
        storage.array, storage.origin, storage._written = array.ravel(), Node(array), None
        self.family.relabel(storage.origin)
        return self


#: What a write outside the history makes of a tracked tensor: the second operand's value, the first's derivative.
UNRECORDED = Op(
    "unrecorded", "", Elementwise(lambda F, y, x, value: (1, None)), lambda x, value: value, 2, exact=True
)


def unrecorded(anchor: Node, value: Node) -> Node:
    """The node of a value that was written over that of `anchor` without being recorded."""
    return Node(value.array, UNRECORDED, (anchor, value), tracked=True) if anchor.tracked else value


@cache
def _whole(shape: tuple[int, ...]) -> Array:
    return np.arange(1, prod(shape) + 1).reshape(shape)


@cache
def _places(shape: tuple[int, ...]) -> Array:
    return _whole(shape) - 1


def fresh(node: Node) -> Tensor:
    """A tensor over memory of its own."""
    shape = node.array.shape
    return Tensor(Family(Storage(node), _places(shape), node), _whole(shape), node, is_root=True)


def leaf(array: Array, requires_grad: bool) -> Tensor:
    """A new leaf with the given contents."""
    tensor = fresh(Node(array, tracked=requires_grad))
    if requires_grad:
        tensor.family.node.owner = tensor
    return tensor


def view(parent: Tensor, node: Node, origins: Array) -> Tensor:
    """A view of `parent`: same family, element k being the parent's element `origins[k]` (1-based)."""
    return Tensor(parent.family, parent.within.ravel()[origins - 1], node, is_root=False)


def alias(parent: Tensor, node: Node, origins: Array | None = None) -> Tensor:
    """A tensor over the parent's memory with a history of its own (`detach()`, views made under no_grad)."""
    within = parent.within if origins is None else parent.within.ravel()[origins - 1]
    where = parent.family.where.ravel()[within - 1]
    return Tensor(Family(parent.family.storage, where, node), _whole(node.array.shape), node, is_root=True)


#: Non-leaf tensors that keep their gradient; weak, since retaining does not keep a tensor alive.
Retaining = WeakSet[Tensor]
