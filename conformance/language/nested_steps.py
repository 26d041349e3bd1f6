"""The steps of a program with those that stand within others: in user functions, checkpoints, threads and hooks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from gradlaws.conformance.language.checkpoints import Checkpoint
from gradlaws.conformance.language.steps import Apply, Hook, InPlace, Step
from gradlaws.conformance.language.threads import Threads
from gradlaws.conformance.language.user_functions import ApplyFunction


def used_ops(steps: Iterable[Step]) -> frozenset[str]:
    """The ops, in-place ones among them, that steps and those within them use."""
    return frozenset(step.op for step in flattened(steps) if isinstance(step, Apply | InPlace))


def flattened(steps: Iterable[Step]) -> Iterator[Step]:
    """Every step, each before those within it; of a user-defined function the ops of forward and backward."""
    for step in steps:
        yield step
        match step:
            case Checkpoint(steps=within):
                yield from flattened(within)
            case Threads(parts=parts):
                for part in parts:
                    yield from flattened(part)
            case Hook(within=within):
                yield from flattened(within)
            case ApplyFunction(function=function, within=within):
                yield from (*function.forward, *function.backward, *flattened(within))
