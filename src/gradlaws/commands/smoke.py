"""Look at an adapter step by step, then judge every law on a few programs.

The first thing to run when an adapter is written: it says what can be found, what is right about the adapter,
what the adapter claims, and what ten programs a law show.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from gradlaws.commands import CommandError, pytest_driver
from gradlaws.conformance.judgement.verdict import Verdict
from gradlaws.reports.exit_codes import Exit
from gradlaws.reports.gate import decide
from gradlaws.reports.view import View

if TYPE_CHECKING:
    from gradlaws.conformance.engines.backend import Backend
    from gradlaws.conformance.engines.op_check import Trouble

#: How long it is looked for declarations that fit.
SECONDS = 60.0

EXAMPLE = """
gradlaws smoke --backend my_adapter:MyBackend"""


def options(parser: ArgumentParser) -> None:
    """Declare the options."""
    pytest_driver.declare(parser)
    parser.add_argument(
        "--record",
        type=Path,
        default=Path("gradlaws-smoke.jsonl"),
        metavar="FILE",
        help="where the record goes (default: gradlaws-smoke.jsonl)",
    )


def execute(options: Namespace) -> int:
    """Look, then judge."""
    from gradlaws.conformance.engines.discovery import default

    for name in options.backend or [default()]:
        if not _looked_at(name):
            return Exit.USAGE
    options.profile = "smoke"
    shown = pytest_driver.drive(pytest_driver.arguments(options), options.record)
    if isinstance(shown, int):
        return shown
    if options.dialect != "torch":
        for name in options.backend or [default()]:
            _propose(name, shown, options.seed or 0)
    decision = decide(shown)
    print(decision.sentence)
    return decision.code


def _propose(name: str, shown: list[View], seed: int) -> None:
    """Say what would have to be declared, if what failed is so on purpose."""
    from gradlaws.conformance.engines.discovery import find
    from gradlaws.conformance.judgement.convention_proposals import declaration, proposals
    from gradlaws.conformance.judgement.effort import Effort
    from gradlaws.conformance.judgement.profiles import SMOKE

    backend = find(name)
    results = [result for view in shown if view.engine.name == backend.name for result in view.results]
    laws = [result.law for result in results if result.verdict in (Verdict.FAIL, Verdict.ERROR)]
    if not laws or any(result.verdict in (Verdict.CRASH, Verdict.TIMEOUT) for result in results):
        return  # what ends a process is not tried again in this one
    found = proposals(backend, laws, Effort(SMOKE.examples, seed), SECONDS)
    for proposal in found:
        some = ", ".join(proposal.laws[:6]) + (", ..." if len(proposal.laws) > 6 else "")
        print(f"6. may be on purpose: {proposal.declaration}: {proposal.meaning}; explains {some}")
    if found:
        print(f"   then the adapter says  dialect = {declaration(backend.dialect, found)}")
        print("   and is judged by that; what is not on purpose is a defect, and stays undeclared")


def _lines(trouble: Trouble, backend: Backend) -> list[str]:
    """The trouble of an op as a program of a few lines."""
    import numpy as np

    from gradlaws.conformance.language.source import source
    from gradlaws.conformance.language.steps import Apply, Backward, InPlace, Leaf, Literal, Step
    from gradlaws.conformance.ops import INPLACE

    operands, params = tuple(range(len(trouble.arrays))), tuple(trouble.params.items())
    free = len(operands)
    written = trouble.op in INPLACE
    steps: list[Step] = [
        Leaf(Literal(array), not written and array.dtype.kind in "fc", outs=(k,))
        for k, array in enumerate(trouble.arrays)
    ]
    if written:
        steps.append(InPlace(trouble.op, 0, operands[1:], params))
    else:
        steps.append(Apply(trouble.op, operands, params, outs=(free,)))
        if trouble.forward:
            like = backend.numpy(
                backend.apply(trouble.op, *map(backend.tensor, trouble.arrays), **trouble.params)
            )
            steps += [
                Leaf(Literal(np.ones_like(like)), outs=(free + 1,)),
                Backward((free,), (free + 1,)),
            ]
    return source(steps, backend.spellings).splitlines()


def _looked_at(name: str) -> bool:
    from gradlaws.conformance.engines.adapter_check import check
    from gradlaws.conformance.engines.backend import CAPABILITIES
    from gradlaws.conformance.engines.discovery import BackendError, find
    from gradlaws.conformance.engines.op_check import troubles
    from gradlaws.conformance.ops import TABLE

    try:
        backend = find(name)
    except BackendError as error:
        raise CommandError(str(error)) from error
    print(f"1. found     {backend.name} {backend.version()}")
    problems = check(backend)
    for problem in problems:
        print(f"2. to mend   {problem}")
    if problems:
        print("             no law is tried before these methods return what they should")
        return False
    ops = sorted(set(backend.ops()))
    lacking = sorted(set(CAPABILITIES) - backend.capabilities)
    print("2. checked   every method that the adapter claims returns what it should")
    found = troubles(backend, tracked=True)
    mistakes, defects = [t for t in found if not t.defect], [t for t in found if t.defect]
    for trouble in mistakes:
        print(f"3. to mend   {trouble}")
    if mistakes:
        print(
            "             mend these ops' spelling, or say in `ops()` (or `lacks`) that the engine has them not;"
        )
        print(
            "             where the engine itself computes so by these lines, that is a defect: leave the op in"
        )
    for trouble in defects:
        print(f"3. a defect of the engine, it seems: {trouble}")
        for line in _lines(trouble, backend):
            print(f"                 {line}")
    if defects:
        print(
            "             these ops are right elsewhere: leave them in, the laws say what else there is to them"
        )
    print(f"3. ops       {len(set(ops) & set(TABLE.names()))} of {len(list(TABLE.names()))} in the table")
    if backend.own:
        print(f"   beside    {len(backend.own)} of its own: {', '.join(backend.own)}")
    print(f"4. claims    {len(backend.capabilities)} of {len(CAPABILITIES)} capabilities")
    told = [(name, CAPABILITIES[name]) for name in lacking]
    for capability, what in told if backend.elsewhere is None else backend.elsewhere.unclaimed():
        print(f"   without   {capability}: {what}")
    print("5. judging   ten programs a law")
    return True
