"""Engines in other processes: the same traces as in this one, and no harm from a process that misbehaves."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from loopback import looped
from thinning import every

from gradlaws.conformance.adapters.reference import ReferenceBackend
from gradlaws.conformance.documented.examples import EXAMPLES
from gradlaws.conformance.engines.adapter_check import check
from gradlaws.conformance.engines.backend import Backend
from gradlaws.conformance.engines.discovery import BackendError, find
from gradlaws.conformance.engines.process_state import kept
from gradlaws.conformance.execution.interpreter import run
from gradlaws.conformance.execution.trace import Seen, Trace
from gradlaws.conformance.execution.whole_program_run import watch
from gradlaws.conformance.judgement.draws import BATCHED, draw, drawn, start_of
from gradlaws.conformance.judgement.effort import Effort
from gradlaws.conformance.judgement.judge import judge
from gradlaws.conformance.judgement.verdict import Verdict
from gradlaws.conformance.known_failures.matching import KnownFailures
from gradlaws.conformance.language.exact_arrays import DTYPES, read, written
from gradlaws.conformance.language.program import Program
from gradlaws.conformance.language.serialization import dumped, loaded
from gradlaws.conformance.language.threads import Threads
from gradlaws.conformance.laws import LAWS, PORTABLE
from gradlaws.conformance.remote.schema import faults
from gradlaws.conformance.suite.example_verdict import judge_example
from gradlaws.strategies.builder import DeadEnd
from gradlaws.strategies.vocabulary import Vocabulary
from gradlaws.strategies.whole_programs import whole_program

TESTS = Path(__file__).resolve().parent
TINY = f"exec:{sys.executable} {TESTS.parent / 'examples' / 'harness' / 'tiny_harness.py'}"
BAD = f"exec:{sys.executable} {TESTS / 'misbehaving_harness.py'}"
#: A law whose programs have gradient arguments now and then.
LAW = LAWS["ROOT-03"]


@pytest.fixture(scope="module")
def reference() -> Backend:
    return find(f"exec:{sys.executable} -m gradlaws serve reference")


def programs(backend: Backend) -> Iterator[Program]:
    """A program of each law, and whole programs; none in which threads bind variables in an order of their own."""
    vocabulary = Vocabulary.of(backend)
    for law in every(2, LAWS.values()):
        data = random.Random(law.id).randbytes(BATCHED)
        for number in range(2 if law.leaning is not None else 0):
            with suppress(DeadEnd), backend.session():
                yield drawn(law, vocabulary, draw(data, start_of(law.id, 0), number))


def differences(one: Trace, other: Trace) -> Iterator[str]:
    """Where two traces differ, but for which object an exception is."""
    for a, b in zip(one.moments, other.moments, strict=True):
        where = f"{a.index} {a.step}"
        yield from _seen(a.seen, b.seen, where)
        if (a.skipped, a.mode, dict(a.same), a.nothing) != (b.skipped, b.mode, dict(b.same), b.nothing):
            yield where
        if (type(a.raised).__name__, str(a.raised)) != (type(b.raised).__name__, str(b.raised)):
            yield f"{where}: {a.raised!r}, {b.raised!r}"
        if [(h, _plain(g)) for h, g in a.calls] != [(h, _plain(g)) for h, g in b.calls]:
            yield f"{where}: calls"
    yield from _seen(one.final, other.final, "end")
    if (one.shared, one.foreign) != (other.shared, other.foreign):
        yield f"shared {one.shared}, {other.shared}"
    if getattr(one, "together", None) != getattr(other, "together", None):
        yield "together"


def _seen(one: dict[int, Seen], other: dict[int, Seen], where: str) -> Iterator[str]:
    if list(one) != list(other):
        yield f"{where}: looked at {list(one)}, {list(other)}"
    for var in one.keys() & other.keys():
        a, b = ((_plain(s.value), _plain(s.grad), s.requires_grad, s.is_leaf, s.retains, s.grad_tracked)
                for s in (one[var], other[var]))  # fmt: skip
        if a != b:
            yield f"{where}: v{var}: {a}, {b}"


def _plain(array: object) -> object:
    """An array to the bit."""
    return (array.dtype.str, array.shape, array.tobytes()) if isinstance(array, np.ndarray) else array


def test_a_trace_comes_back_as_it_would_have_been_here(reference: Backend) -> None:
    here = find("reference")
    tried = [p for p in programs(here) if not any(isinstance(step, Threads) for step in p)]
    assert reference.elsewhere is not None
    with here.session():
        there = reference.elsewhere.many(tried, False, lambda number: None)
        for program, trace in zip(tried, there, strict=True):
            assert list(differences(run(program, here), trace)) == [], str(program)
    assert len(tried) > 150


def test_so_does_that_of_a_whole_program(reference: Backend) -> None:
    here = find("reference")
    drawn_ones = [whole_program(f"7:{k}".encode(), Vocabulary.of(here)) for k in range(60)]
    tried = [p for p in drawn_ones if not any(isinstance(step, Threads) for step in p)]
    assert reference.elsewhere is not None
    with here.session():
        there = reference.elsewhere.many(tried, True, lambda number: None)
        for program, trace in zip(tried, there, strict=True):
            assert list(differences(watch(program, here), trace)) == [], str(program)


def test_an_engine_elsewhere_claims_what_it_claims_here(reference: Backend) -> None:
    here = find("reference")
    assert here.capabilities - reference.capabilities == {"calls"}
    assert set(reference.ops()) == set(here.ops())
    assert (reference.name, reference.version()) == (here.name, here.version())


def test_the_page_says_how_many_laws_no_program_can_state() -> None:
    page = (TESTS.parent / "docs" / "protocol.md").read_text(encoding="utf-8")
    assert sum("calls" in law.needs for law in PORTABLE.values()) == 8
    assert "with the reason `calls`: eight laws" in page


def test_exhibits_are_unsupported_not_passed(reference: Backend) -> None:
    result = judge(LAWS["VAL-17"], reference, Effort(5))
    assert (result.verdict, result.missing) == (Verdict.UNSUPPORTED, ("calls",))


def test_the_reference_keeps_the_laws_and_examples_there_as_here() -> None:
    there = looped(find("reference"))
    asked = every(4, PORTABLE.values())
    verdicts = {law.id: judge(law, there, Effort(5, shrink=0.0)).verdict for law in asked}
    verdicts |= {one.id: judge_example(one, there, KnownFailures()).verdict for one in EXAMPLES.values()}
    assert set(verdicts.values()) <= {Verdict.PASS, Verdict.UNSUPPORTED}, verdicts
    assert sum(verdict is Verdict.UNSUPPORTED for verdict in verdicts.values()) < 8


@pytest.mark.parametrize("dtype", DTYPES)
def test_arrays_travel_to_the_bit(dtype: str) -> None:
    content = np.random.default_rng(1).integers(0, 256, 96, np.uint8)
    array = (content % 2).astype(bool) if dtype == "bool" else content.view(dtype)
    for shaped in (array, array.reshape(2, -1), array[:0].reshape(0, 3), array[:1].reshape(())):
        again = read(written(shaped))
        assert (again.dtype, again.shape, again.tobytes()) == (shaped.dtype, shaped.shape, shaped.tobytes())
        assert again.dtype.isnative


def test_programs_travel_as_they_are() -> None:
    for program in programs(find("reference")):
        assert loaded(dumped(program, exact=True)) == program


# -- a harness of somebody's own -------------------------------------------------------------------------------


def test_the_tiny_harness_keeps_the_laws() -> None:
    tiny = find(TINY)
    assert (tiny.name, tiny.version()) == ("tiny", "1.0")
    verdicts = {law.id: judge(law, tiny, Effort(10, shrink=0.0)) for law in every(3, LAWS.values())}
    assert {r.verdict for r in verdicts.values()} == {Verdict.PASS, Verdict.UNSUPPORTED}
    assert all(r.assertions for r in verdicts.values() if r.verdict is Verdict.PASS)


@pytest.mark.parametrize(
    ("kind", "verdict", "said"),
    [
        ("dies", Verdict.CRASH, "SIGKILL"),
        ("leaves", Verdict.CRASH, "exit code 5; its standard error ends with:"),
        ("hangs", Verdict.TIMEOUT, "no answer after 0.3 s"),
        ("chatters", Verdict.ERROR, "`loading the model ...`"),
        ("answers twice", Verdict.ERROR, "has id 0, the request had"),
        ("stops speaking", Verdict.CRASH, "process"),
    ],
)
def test_misbehaviour_costs_one_verdict(
    kind: str, verdict: Verdict, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADLAWS_ANSWER_SECONDS", "0.3" if kind == "hangs" else "10")
    engine = find(f"{BAD} {kind!r}")
    result = judge(LAW, engine, Effort(3, shrink=0.0))
    assert (result.verdict, said in result.message) == (verdict, True), result.message
    assert result.finding is not None
    assert result.finding.program
    assert judge(LAWS["ACC-06"], engine, Effort(3)).verdict is Verdict.UNSUPPORTED
    assert judge(LAWS["NONE-01"], engine, Effort(3)).verdict is Verdict.PASS  # by another process


def test_an_example_that_is_answered_badly_is_an_error() -> None:
    result = judge_example(
        EXAMPLES["EX-01"], looped(ReferenceBackend(), run=lambda line: b"[]"), KnownFailures()
    )
    assert (result.verdict, "expected an object" in result.message) == (Verdict.ERROR, True)


def test_a_process_that_was_started_again_within_a_law_is_spoken_to_after_it() -> None:
    """What closes and opens files in a law is put back after it, if it is not the runner."""
    engine = find(f"{BAD} dies")
    for _ in range(3):
        with kept():
            assert judge(LAW, engine, Effort(2, shrink=0.0)).verdict is Verdict.CRASH
            assert judge(LAWS["NONE-01"], engine, Effort(2)).verdict is Verdict.PASS
    assert judge(LAWS["NONE-01"], engine, Effort(2)).verdict is Verdict.PASS


def test_a_flood_is_dammed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gradlaws.conformance.remote.harness.LONGEST", 1 << 21)
    result = judge(LAW, find(f"{BAD} floods"), Effort(2, shrink=0.0))
    assert (result.verdict, "an answer of more than 2 MiB" in result.message) == (Verdict.ERROR, True)


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (f"{BAD} 'ends at once'", "exit code 5; its standard error ends with:"),
        (f"{BAD} 'speaks another version'", "version 2 of the protocol"),
        (f"{BAD} 'says nothing of its ops'", "introduction: 'ops' is a required property"),
        (f"{BAD} 'has a dialect of its own'", "accumulation='sometimes' is no convention"),
        (f"{BAD} greets", "`hello!`"),
        ("exec:no-such-program-anywhere", "cannot be started"),
        ("exec:'unclosed", "No closing quotation"),
        ("exec: ", "write the command behind"),
    ],
)
def test_who_does_not_introduce_itself_is_told(command: str, said: str) -> None:
    with pytest.raises(BackendError) as caught:
        find(command)
    assert said in str(caught.value)


def test_a_harness_that_claims_what_it_has_not_is_told_step_by_step() -> None:
    def without(line: bytes) -> bytes:
        return line.replace(b'"grad": null', b'"no": null')

    assert check(find(TINY)) == []
    assert check(looped(ReferenceBackend())) == []
    missing = [str(p) for p in check(find(f"{BAD} boasts"))]
    assert [m.partition(":")[0] for m in missing] == ["retain_grad", "no_grad"]
    assert all("this harness has no step" in m for m in missing)
    wrong = {str(p) for p in check(looped(ReferenceBackend(), run=without))}
    assert "Leaf: trace.moments[0].seen.0: 'grad' is a required property" in wrong


def test_what_is_sent_and_answered_is_as_the_schema_says(monkeypatch: pytest.MonkeyPatch) -> None:
    from gradlaws.conformance.execution.planned_run import plan_of_law
    from gradlaws.conformance.remote.messages import program_out
    from gradlaws.conformance.remote.server import introduced, ran

    here = find("reference")
    assert faults("introduction", introduced(here)) == []
    for program in every(4, programs(here)):
        sent = program_out(program, plan_of_law(program, here.dialect))
        assert faults("program", sent) + faults("trace", ran(sent, here)) == [], str(program)
