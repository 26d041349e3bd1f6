"""Programs and traces as they travel between processes, as JSON-able data."""

from __future__ import annotations

from typing import Any

from gradlaws.conformance.engines.exceptions import PLACE, described
from gradlaws.conformance.execution.hook_effects import NOTHING, Interruption
from gradlaws.conformance.execution.planned_run import Plan, Wanted, question
from gradlaws.conformance.execution.trace import Moment, Seen, Trace
from gradlaws.conformance.execution.whole_program_run import Watched
from gradlaws.conformance.language.exact_arrays import written
from gradlaws.conformance.language.program import Program
from gradlaws.conformance.language.serialization import dumped, loaded
from gradlaws.conformance.language.steps import Var

#: The version of the protocol; it grows with each change after which an older side would misunderstand a newer one.
VERSION = 1
#: What stands for all variables that are bound.
ALL = "all"


def program_out(program: Program, plan: Plan) -> dict[str, Any]:
    """A program with its plan, as it is sent."""
    steps = dumped(program, exact=True)
    for entry, step, after, raised in zip(steps, program, plan.after, plan.raised, strict=True):
        entry["uses"] = list(step.uses())
        if asked := question(step):
            entry["asks"] = asked
        if after.tensors != ():
            entry["look"] = _wanted_out(after)
        if raised.tensors != ():
            entry["look_if_raised"] = _wanted_out(raised)
    sent: dict[str, Any] = {"steps": steps, "final": plan.final}
    if plan.views is not None:
        sent["views"], sent["own"] = [list(pair) for pair in plan.views], list(plan.own)
    return sent


def program_in(sent: dict[str, Any]) -> tuple[Program, Plan]:
    """The program and its plan; raises ValueError."""
    after, raised, steps = [], [], []
    for entry in sent["steps"]:
        plain = dict(entry)
        after.append(_wanted_in(plain.pop("look", None)))
        raised.append(_wanted_in(plain.pop("look_if_raised", None)))
        plain.pop("uses", None)
        plain.pop("asks", None)
        steps.append(plain)
    views = None if "views" not in sent else [(a, b) for a, b in sent["views"]]
    plan = Plan(after, raised, sent["final"], views, sent.get("own", ()))
    return loaded(steps), plan


def _wanted_out(wanted: Wanted) -> dict[str, Any]:
    return {
        "tensors": ALL if wanted.tensors is None else list(wanted.tensors),
        "contents": ALL if wanted.contents is None else list(wanted.contents),
    }


def _wanted_in(sent: dict[str, Any] | None) -> Wanted:
    if sent is None:
        return Wanted()
    tensors, contents = sent["tensors"], sent["contents"]
    return Wanted(None if tensors == ALL else tuple(tensors), None if contents == ALL else tuple(contents))


def trace_out(trace: Trace) -> dict[str, Any]:
    """A trace, as it is answered."""
    answer: dict[str, Any] = {
        "moments": [_moment_out(moment) for moment in trace.moments],
        "foreign": trace.foreign,
        "memory": None if trace.shared is None else [[[k, v], [m, w]] for (k, v), (m, w) in trace.shared],
    }
    if trace.final:
        answer["final"] = _seen_by_variable(trace.final)
    if isinstance(trace, Watched) and trace.together is not None:
        answer["together"] = [list(pair) for pair in trace.together]
    return answer


def _moment_out(moment: Moment) -> dict[str, Any]:
    answer: dict[str, Any] = {}
    if moment.skipped:
        return {"skipped": True}
    if moment.seen:
        answer["seen"] = _seen_by_variable(moment.seen)
    if moment.raised is not None:
        answer["raised"] = error_out(moment.raised)
    if moment.mode is not None:
        answer["recording"] = moment.mode
    if moment.same:
        answer["same"] = dict(moment.same)
    if moment.calls:
        answer["calls"] = [[handle, None if g is NOTHING else written(g)] for handle, g in moment.calls]
    if moment.nothing:
        answer["nothing"] = list(moment.nothing)
    return answer


def _seen_by_variable(seen: dict[Var, Seen]) -> dict[str, Any]:
    return {str(var): _seen_out(one) for var, one in seen.items()}


def _seen_out(seen: Seen) -> dict[str, Any]:
    answer: dict[str, Any] = {"grad": None if seen.grad is None else written(seen.grad)}
    if seen.value is not None:
        answer["value"] = written(seen.value)
    for name in ("requires_grad", "is_leaf"):
        if (flag := getattr(seen, name)) is not None:
            answer[name] = flag
    if seen.retains is not None:
        answer["retains_grad"] = seen.retains
    if seen.grad_tracked is not None:
        answer["grad_requires_grad"] = seen.grad_tracked
    return answer


def error_out(error: BaseException) -> dict[str, Any]:
    """An exception, as it is answered."""
    try:
        text = str(error)
    except BaseException:
        text = described(error)
    answer: dict[str, Any] = {
        "class": type(error).__name__,
        "text": text[:2000].encode("utf-8", "replace").decode(),
    }
    if isinstance(error, Interruption):
        answer["deliberate"] = True
    if place := getattr(error, PLACE, ""):
        answer["place"] = place
    return answer
