"""Conjunctions of steps on related tensors: which kind of step came after which, and who had looked in between.

Two steps are related by the closest of `RELATIONS` in which a tensor of the later stands to one of the earlier:
the same tensor; another one in the same memory; a view beside it; one that it was computed from, or the reverse.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from gradlaws.conformance.language.checkpoints import Checkpoint
from gradlaws.conformance.language.steps import (
    Apply,
    Backward,
    ClearGrad,
    Detach,
    DetachInPlace,
    Forget,
    Grad,
    Hook,
    InPlace,
    Leaf,
    Look,
    Mode,
    ReadGrad,
    RemoveHook,
    RequireGrad,
    RetainGrad,
    SetGrad,
    Step,
    Var,
    ZeroGrad,
)
from gradlaws.conformance.language.training import ClipGrad, Optimizer, OptimizerStep, OptimizerZeroGrad
from gradlaws.conformance.language.user_functions import ApplyFunction
from gradlaws.conformance.ops import TABLE

#: The kinds of steps; at most 32.
KINDS: tuple[str, ...] = (
    "compute", "view", "write", "write unrecorded", "detach", "detach_", "requires_grad_", "retain_grad", "hook",
    "post hook", "remove hook", "read grad", "clear grad", "zero grad", "assign grad", "backward", "backward inputs",
    "grad", "user function", "checkpoint", "optimizer", "optimizer step", "optimizer zero", "clip", "forget",
    "refused",
)  # fmt: skip
RELATIONS: tuple[str, ...] = ("same tensor", "same memory", "sibling view", "ancestor", "descendant")
#: Whether something was looked at between the first step and the last.
BETWEEN: tuple[str, ...] = ("unseen", "looked at")
WIDTH = 32
_NUMBER = {kind: k for k, kind in enumerate(KINDS)}
_REFUSED = _NUMBER["refused"]
_HOOKS = {"tensor": _NUMBER["hook"], "post_accumulate": _NUMBER["post hook"]}
_PLAIN: dict[type[Step], int] = {
    kind: _NUMBER[name]
    for kind, name in (
        (Detach, "detach"), (DetachInPlace, "detach_"), (RequireGrad, "requires_grad_"), (RetainGrad, "retain_grad"),
        (RemoveHook, "remove hook"), (ReadGrad, "read grad"), (ClearGrad, "clear grad"), (ZeroGrad, "zero grad"),
        (SetGrad, "assign grad"), (Grad, "grad"), (ApplyFunction, "user function"), (Checkpoint, "checkpoint"),
        (Optimizer, "optimizer"), (OptimizerStep, "optimizer step"), (OptimizerZeroGrad, "optimizer zero"),
        (ClipGrad, "clip"), (Forget, "forget"),
    )
}  # fmt: skip
_COMPUTE, _VIEW, _WRITE, _UNRECORDED, _BACKWARD, _INPUTS = (
    _NUMBER[kind] for kind in ("compute", "view", "write", "write unrecorded", "backward", "backward inputs")
)
#: Steps whose results are computed from all that they use.
_COMPUTING = (Apply, ApplyFunction, Checkpoint, Grad, ReadGrad, Detach)


def pair_row(relation: int, between: int, last: int) -> int:
    """Where the first kinds of pairs stand that end with kind `last`."""
    return (relation * 2 + between) * WIDTH + last


def triple_row(between: int, middle: int, last: int) -> int:
    """Where the first kinds of triples stand."""
    return (between * WIDTH + middle) * WIDTH + last


PAIR_ROWS, TRIPLE_ROWS = len(RELATIONS) * 2 * WIDTH, 2 * WIDTH * WIDTH


class Walk:
    """Goes through the steps of one program, and notes pairs and triples: a row of bits for each last kind."""

    def __init__(self, pairs: list[int], triples: list[int]) -> None:
        self.pairs = pairs
        self.triples = triples
        #: By variable, as bits: what it was computed from, and what it is a view of, itself included.
        self._behind: dict[Var, int] = {}
        self._chain: dict[Var, int] = {}
        self._home: dict[Var, Var] = {}
        self._members: dict[Var, int] = {}
        self._hooked: dict[int, int] = {}
        self._modes: list[bool] = []

    def go(self, steps: Iterable[Step], refused: Callable[[int], bool], watched: bool) -> None:
        """Note a program; `refused`: of a step's index; `watched`: whether every step is looked at."""
        done: list[tuple[int, int, int, int, int, int]] = []
        window = 0
        pairs, triples = self.pairs, self.triples
        for index, step in enumerate(steps):
            if type(step) is Look:
                window += 1
                continue
            kind, on, made = self._taken(step)
            if kind < 0:
                continue
            if refused(index):
                kind = _REFUSED
            if watched:
                window += 1
            behind = memory = chain = 0
            variables = on
            while variables:
                low = variables & -variables
                var = low.bit_length() - 1
                behind |= self._behind.get(var, low)
                chain |= self._chain.get(var, low)
                memory |= self._members.get(self._home.get(var, var), low)
                variables ^= low
            before = [0, 0]
            for kind0, on0, behind0, chain0, window0, near in done:
                if on0 & on:
                    relation = 0
                elif on0 & memory:
                    relation = 1 if on0 & chain or chain0 & on else 2
                elif on0 & behind:
                    relation = 3
                elif behind0 & on:
                    relation = 4
                else:
                    continue
                looked = window0 != window
                pairs[(relation * 2 + looked) * WIDTH + kind] |= 1 << kind0
                before[looked] |= 1 << kind0
                near_now, near_seen = near & 0xFFFFFFFF, near >> WIDTH
                if looked:
                    triples[(WIDTH + kind0) * WIDTH + kind] |= near_now | near_seen
                else:
                    triples[kind0 * WIDTH + kind] |= near_now
                    triples[(WIDTH + kind0) * WIDTH + kind] |= near_seen
            done.append(
                (kind, on | made, behind | made, chain | made, window, before[0] | before[1] << WIDTH)
            )

    def _taken(self, step: Step) -> tuple[int, int, int]:
        """The kind of a step (-1 for none), the tensors that it is about and those that it makes, as bits."""
        made_of = type(step)
        uses: Sequence[Var] = step.uses()
        on = 0
        for v in uses:
            on |= 1 << v
        made = 0
        for v in step.outs:
            made |= 1 << v
        if made_of is Apply:
            alias = TABLE.rows[step.op].alias  # type: ignore[attr-defined]
            self._make(step.outs, uses, uses[0] if alias else None)
            return (_VIEW if alias else _COMPUTE), on, made
        if made_of is InPlace:
            target = step.target  # type: ignore[attr-defined]
            behind = self._behind.get(target, 1 << target)
            for v in uses:
                behind |= self._behind.get(v, 1 << v)
            self._behind[target] = behind
            return (_WRITE if self._modes[-1:] != [False] else _UNRECORDED), on, 0
        if made_of is Leaf:
            for v in step.outs:
                self._behind[v] = self._chain[v] = self._members[v] = 1 << v
                self._home[v] = v
            return -1, 0, 0
        if made_of is Backward:
            return (_BACKWARD if step.inputs is None else _INPUTS), on, 0  # type: ignore[attr-defined]
        if made_of is Mode:
            if step.kind in ("exit", "raise"):  # type: ignore[attr-defined]
                self._modes[-1:] = []
            else:
                self._modes.append(step.kind == "enable_grad")  # type: ignore[attr-defined]
            return -1, 0, 0
        if made_of is Hook:
            self._hooked[step.handle] = on  # type: ignore[attr-defined]
            return _HOOKS[step.kind], on, 0  # type: ignore[attr-defined]
        if made_of is RemoveHook:
            return _PLAIN[RemoveHook], self._hooked.get(step.handle, 0), 0  # type: ignore[attr-defined]
        if isinstance(step, _COMPUTING):
            self._make(step.outs, uses, uses[0] if made_of is Detach else None)
        return _PLAIN.get(made_of, -1), on, made

    def _make(self, outs: Sequence[Var], uses: Sequence[Var], viewed: Var | None) -> None:
        behind = 0
        for v in uses:
            behind |= self._behind.get(v, 1 << v)
        for out in outs:
            own = 1 << out
            self._behind[out] = behind | own
            if viewed is None:
                self._home[out], self._chain[out], self._members[out] = out, own, own
            else:
                home = self._home.get(viewed, viewed)
                self._home[out] = home
                self._members[home] = self._members.get(home, 1 << home) | own
                self._chain[out] = self._chain.get(viewed, 1 << viewed) | own
