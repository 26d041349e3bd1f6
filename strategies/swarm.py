"""Swarms: each program keeps to some of what there is, so that what is rare in all programs is common in some.

What a program keeps to is drawn from its bytes, beside its other decisions: one that keeps to nothing in particular is
the same as ever.
"""

from __future__ import annotations

from gradlaws.conformance.entropy import Entropy, stretched
from gradlaws.strategies.draft import Draft

#: Of a hundred programs, how many keep to few ops of each kind, to another dtype, and to sizes of their own.
FEW, OTHER, SIZED = 20, 10, 12
#: The sizes that programs keep to; what stands there more often is kept to more often. The large ones take long.
SIZES = ("empty", "wide", "deep") * 8 + ("large",)


def keep(b: Draft, data: bytes) -> None:
    """Have a program keep to what these bytes say."""
    entropy = Entropy(stretched(b"swarm" + data, 16), 16)
    few = 1 + entropy.below(4) if entropy.chance(FEW) else 0
    other = b.dtypes("f")[1:]
    usual = entropy.pick(other) if other and entropy.chance(OTHER) else b.usual
    sizes = entropy.pick(SIZES) if entropy.chance(SIZED) else ""
    b.keep_to(sizes, usual, few, entropy.byte())
