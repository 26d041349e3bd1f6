"""Answers of an engine's process, read: strictly, so that nothing is judged that is not what was asked for.

Whatever is not as docs/protocol.md says raises `Misspoken`, with the place in the message and what is wrong there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

from gradlaws.conformance.engines.exceptions import PLACE, EngineBroke
from gradlaws.conformance.entropy import Array
from gradlaws.conformance.execution.hook_effects import NOTHING, Interruption
from gradlaws.conformance.execution.planned_run import Plan, Wanted, question
from gradlaws.conformance.execution.trace import Moment, Seen, Trace
from gradlaws.conformance.execution.whole_program_run import Watched
from gradlaws.conformance.language.exact_arrays import read
from gradlaws.conformance.language.program import Program
from gradlaws.conformance.language.steps import Forget, Grad, Hook, ReadGrad, RequireGrad, Step, Var
from gradlaws.conformance.language.threads import Threads

#: The answers about identity that a step may come with.
QUESTIONS = frozenset(
    {"returned None", "read twice", "stored object", "returned itself", "kept object", "called with the leaf"}
)


#: Steps that may end well and bind nothing.
MAYBE = (ReadGrad, RequireGrad, Threads)


class Misspoken(EngineBroke):
    """An engine's process did not answer as the protocol wants it."""

    def __init__(self, text: str) -> None:
        super().__init__(text, kind=("protocol",))


class RemoteError(Exception):
    """What an engine raised in another process; its class there is a subclass of this one, of the same name."""


@lru_cache(maxsize=256)
def _class(name: str) -> type[RemoteError]:
    return type(name, (RemoteError,), {"__module__": __name__})


class Reader:
    """Reads the traces of programs.

    claims: what the engine claims: which flags come with a snapshot, and whether steps say if ops are recorded.
    """

    def __init__(self, claims: Iterable[str]) -> None:
        has = frozenset(claims)
        self._flags = tuple(
            (name, attribute)
            for name, attribute in (
                ("requires_grad", "requires_grad"),
                ("is_leaf", "is_leaf"),
                ("retains_grad", "retains"),
            )
            if name in has
        )
        self._tracked = "requires_grad" in has
        self._mode = "is_grad_enabled" in has

    def trace(self, answer: Any, program: Program, plan: Plan) -> Trace:
        """The trace of a program; raises what the process says that it raised outside of any step, or Misspoken."""
        if not isinstance(answer, dict):
            raise Misspoken(f"a trace is {_short(answer)}, expected an object")
        if "error" in answer:
            raise error_in(answer["error"], "error")
        moments = answer.get("moments")
        if not isinstance(moments, list) or len(moments) != len(program):
            had = f"{len(moments)} moments" if isinstance(moments, list) else _short(moments)
            raise Misspoken(f"moments: {had}, expected a list of {len(program)}, one for each step")
        trace = Watched()
        alive = _Alive()
        for index, (said, step) in enumerate(zip(moments, program, strict=True)):
            where = f"moments[{index}]"
            moment = self._moment(said, index, step, plan, alive, where)
            trace.moments.append(moment)
        if plan.final:
            final = self._snapshots(answer.get("final", {}), Wanted(None, None), alive, "final", flags=False)
            trace.final = {var: Seen(seen.value, seen.grad) for var, seen in final.items()}
        trace.shared = self._shared(answer.get("memory"), alive)
        if plan.views is not None:
            trace.together = self._together(answer.get("together"), plan)
        foreign = answer.get("foreign")
        if foreign is not None and not isinstance(foreign, str):
            raise Misspoken(f"foreign: {_short(foreign)}, expected a text or null")
        trace.foreign = foreign
        return trace

    def _moment(self, said: Any, index: int, step: Step, plan: Plan, alive: _Alive, where: str) -> Moment:
        if not isinstance(said, dict):
            raise Misspoken(f"{where}: {_short(said)}, expected an object")
        moment = Moment(index, step)
        if _flag(said, "skipped", where, False):
            moment.skipped = True
            return moment
        if "raised" in said:
            moment.raised = error_in(said["raised"], f"{where}.raised")
        if self._mode:
            moment.mode = _flag(said, "recording", where)
        if "nothing" in said:
            moment.nothing = self._nothing(said["nothing"], step, f"{where}.nothing")
        if "calls" in said:
            moment.calls = self._calls(said["calls"], alive.handles, f"{where}.calls")
        moment.same = self._same(said.get("same", {}), step, moment.raised is None, f"{where}.same")
        alive.follow(step, moment)
        wanted = (plan.after if moment.raised is None else plan.raised)[index]
        if wanted.tensors != ():
            moment.seen = self._snapshots(said.get("seen", {}), wanted, alive, f"{where}.seen")
        return moment

    def _nothing(self, said: Any, step: Step, where: str) -> tuple[Var, ...]:
        if (
            not isinstance(said, list)
            or not isinstance(step, Grad)
            or any(type(v) is not int or v not in step.outs for v in said)
        ):
            raise Misspoken(
                f"{where}: {_short(said)}, expected a list of results of autograd.grad that are None"
            )
        return tuple(v for v in step.outs if v in said)

    def _calls(self, said: Any, handles: set[int], where: str) -> list[tuple[int, Array]]:
        if not isinstance(said, list):
            raise Misspoken(f"{where}: {_short(said)}, expected a list")
        calls = []
        for k, call in enumerate(said):
            if (
                not isinstance(call, list)
                or len(call) != 2
                or type(call[0]) is not int
                or call[0] not in handles
            ):
                raise Misspoken(f"{where}[{k}]: {_short(call)}, expected [number of a hook, array or null]")
            calls.append((call[0], NOTHING if call[1] is None else _array(call[1], f"{where}[{k}]")))
        return calls

    def _same(self, said: Any, step: Step, well: bool, where: str) -> dict[str, bool]:
        if not isinstance(said, dict) or not all(
            k in QUESTIONS and isinstance(v, bool) for k, v in said.items()
        ):
            raise Misspoken(
                f"{where}: {_short(said)}, expected an object of {', '.join(sorted(QUESTIONS))}: true or false"
            )
        asked = question(step)
        if well and asked and asked not in said:
            raise Misspoken(f"{where}: {asked!r} is asked of this step (`asks`), and not answered")
        return dict(said)

    def _snapshots(
        self, said: Any, wanted: Wanted, alive: _Alive, where: str, flags: bool = True
    ) -> dict[Var, Seen]:
        if not isinstance(said, dict):
            raise Misspoken(f"{where}: {_short(said)}, expected an object")
        found: dict[Var, Seen] = {}
        for key, one in said.items():
            if not (key.isascii() and key.isdigit()) or (var := int(key)) not in alive.possibly:
                raise Misspoken(f"{where}: there is no variable {key!r} at this step")
            if wanted.tensors is None or var in wanted.tensors:
                valued = wanted.contents is None or var in wanted.contents
                found[var] = self._snapshot(one, valued, flags, f"{where}.{key}")
        asked = alive.surely if wanted.tensors is None else alive.surely.intersection(wanted.tensors)
        if missing := asked - found.keys():
            raise Misspoken(f"{where}: variable {min(missing)} is looked at here (`look`), and is not there")
        if wanted.tensors is None:
            alive.are(found)
        return found

    def _snapshot(self, said: Any, valued: bool, flags: bool, where: str) -> Seen:
        if not isinstance(said, dict) or "grad" not in said:
            raise Misspoken(f"{where}: {_short(said)}, expected an object with `grad`")
        grad = said["grad"]
        seen = Seen(None, None if grad is None else _array(grad, f"{where}.grad"))
        if valued:
            seen.value = _array(said.get("value"), f"{where}.value")
        if flags:
            for name, attribute in self._flags:
                setattr(seen, attribute, _flag(said, name, where))
            if self._tracked and seen.grad is not None:
                seen.grad_tracked = _flag(said, "grad_requires_grad", where)
        return seen

    def _shared(self, said: Any, alive: _Alive) -> frozenset[Any] | None:
        if said is None:
            return None
        pairs = _pairs(
            said,
            "memory",
            lambda end: (
                isinstance(end, list)
                and len(end) == 2
                and end[0] in ("value", "grad")
                and type(end[1]) is int
                and end[1] in alive.ever
            ),
        )
        return frozenset(((a[0], a[1]), (b[0], b[1])) for a, b in pairs)

    def _together(self, said: Any, plan: Plan) -> frozenset[tuple[Var, Var]] | None:
        if said is None:
            return None
        own = {v: k for k, v in enumerate(plan.own)}
        views = set(plan.views or ())
        found: set[tuple[Var, Var]] = set()
        for a, b in _pairs(said, "together", lambda end: type(end) is int):
            if (a, b) in views:
                found.add((a, b))
            elif a in own and b in own and a != b:
                found.add((a, b) if own[a] > own[b] else (b, a))
            else:
                raise Misspoken(
                    f"together: {[a, b]} is not among the pairs that were asked for (`views`, `own`)"
                )
        return frozenset(found)


class _Alive:
    """Which variables are bound, as far as the outcomes of steps tell."""

    def __init__(self) -> None:
        self.surely: set[Var] = set()
        self.possibly: set[Var] = set()
        self.ever: set[Var] = set()
        self.handles: set[int] = set()

    def follow(self, step: Step, moment: Moment) -> None:
        if isinstance(step, Hook):
            self.handles.add(step.handle)
        outs = [v for v in step.outs if v not in moment.nothing]
        self.possibly.update(outs)
        self.ever.update(outs)
        if moment.raised is None:
            if not isinstance(step, MAYBE):
                self.surely.update(outs)
            if isinstance(step, Forget):
                self.surely.discard(step.x)
                self.possibly.discard(step.x)

    def are(self, found: Iterable[Var]) -> None:
        """All that are bound have just been seen."""
        self.surely = set(found)
        self.possibly = set(found)


def error_in(said: Any, where: str) -> Exception:
    """What an engine raised, as an exception of a class of that name."""
    if (
        not isinstance(said, dict)
        or not isinstance(said.get("class"), str)
        or not isinstance(said.get("text"), str)
    ):
        raise Misspoken(f"{where}: {_short(said)}, expected an object with `class` and `text`")
    if _flag(said, "deliberate", where, False):
        return Interruption("")
    name, place = said["class"], said.get("place", "")
    error = _class(name if name.isidentifier() and len(name) < 100 else "RemoteError")(said["text"])
    if place and isinstance(place, str):
        setattr(error, PLACE, place[:200])
    return error


def _array(said: Any, where: str) -> Array:
    try:
        return read(said)
    except ValueError as error:
        raise Misspoken(f"{where} {error}") from None


def _flag(said: dict[str, Any], name: str, where: str, default: bool | None = None) -> bool:
    value = said.get(name, default)
    if value is not True and value is not False:
        raise Misspoken(f"{where}.{name}: {_short(value)}, expected true or false")
    return value


def _pairs(said: Any, where: str, right: Callable[[Any], bool]) -> list[list[Any]]:
    if not isinstance(said, list) or not all(
        isinstance(pair, list) and len(pair) == 2 and right(pair[0]) and right(pair[1]) for pair in said
    ):
        raise Misspoken(f"{where}: {_short(said)}, expected a list of pairs")
    return said


def _short(value: Any) -> str:
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
