"""Engines that do not always do the same: by chance, once in a while, at first, or after a while."""

from __future__ import annotations

import random
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from gradlaws.conformance.adapters.reference import ReferenceBackend
from gradlaws.conformance.entropy import Array


class Fickle(ReferenceBackend):
    """Counts gradients that are read; some are twice too large."""

    def __init__(self) -> None:
        super().__init__()
        self.chance = random.Random(7)
        self.read = 0

    def wrong(self) -> bool:
        raise NotImplementedError

    def grad(self, x: Any) -> Any:
        found = super().grad(x)
        if found is None:
            return None
        self.read += 1
        return super().tensor(2 * super().numpy(found)) if self.wrong() else found


class AtRandom(Fickle):
    """Two gradients of a hundred are wrong."""

    name = "at-random"

    def wrong(self) -> bool:
        return self.chance.random() < 0.02


class Seldom(Fickle):
    """One gradient of 97 is wrong."""

    name = "seldom"

    def wrong(self) -> bool:
        return self.read % 97 == 0


class AtFirst(Fickle):
    """The first gradients of a process are wrong."""

    name = "at-first"

    def wrong(self) -> bool:
        return self.read <= 3


class Tiring(Fickle):
    """All gradients after the three hundredth are wrong."""

    name = "tiring"

    def wrong(self) -> bool:
        return self.read > 300


class Unordered(ReferenceBackend):
    """Adds up in any order, so that the last bits of a gradient differ from time to time."""

    name = "unordered"

    def __init__(self) -> None:
        super().__init__()
        self.chance = random.Random(7)
        #: By tensor, which looks the same however often it is looked at.
        self.otherwise: WeakKeyDictionary[Any, bool] = WeakKeyDictionary()

    def numpy(self, x: Any) -> Array:
        array = super().numpy(x)
        rounded = array.dtype == np.float64 and array.size > 0 and float(array.flat[0]) * 64 % 1
        if rounded and x not in self.otherwise:
            self.otherwise[x] = self.chance.random() < 0.02
        return np.nextafter(array, np.inf) if rounded and self.otherwise[x] else array
