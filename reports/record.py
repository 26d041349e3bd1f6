"""Records as data: what the lines of a record say, checked, in plain dataclasses.

Everything that is reported derives from these. A file that is no record, is newer than this version, was cut
short, or was changed by hand so that it contradicts itself raises RecordError with one message.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gradlaws.conformance.judgement.verdict import Verdict
from gradlaws.reports.record_file import SEALED, RecordError, read
from gradlaws.reports.record_line import LAW, LEVELS, Line, laws_of, ops_of

__all__ = ["LEVELS", "Record", "load", "parsed", "result_of"]


@dataclass(frozen=True)
class Engine:
    """One engine of a record.

    conventions: what the adapter declares that the engine does otherwise than PyTorch, with the declared value.
    own:         rows that the adapter has added, with the cells that they can reach, as bits.
    """

    name: str
    version: str
    capabilities: tuple[str, ...]
    ops: tuple[str, ...]
    conventions: Mapping[str, str] = field(default_factory=dict)
    own: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Finding:
    """One breach. `law` is the law that is broken, which may be another one than the one on trial.

    script: as it was written, so that it can be run; all other texts in plain characters.
    cause:  what it comes from, where the record says so.
    """

    law: str
    thing: str
    got: str
    expected: str
    step: str
    program: str
    steps: tuple[Mapping[str, Any], ...]
    replay: str | None
    sentence: str
    source: str
    script: str
    cause: Comes | None = None

    @property
    def used(self) -> frozenset[str]:
        """The ops in the program."""
        return frozenset(str(step["op"]) for step in self.steps if "op" in step)


@dataclass(frozen=True)
class Comes:
    """What findings come from: the same where `key` is. `title`: whose fault it is; empty where the law says it."""

    key: str
    title: str
    finding: Finding


@dataclass(frozen=True)
class LawResult:
    """The verdict on one law for one engine; the fields are those of the record."""

    law: str
    backend: str
    given: str
    verdict: Verdict
    family: str
    level: str
    sentence: str
    source: str
    programs: int
    assertions: int
    worst: float
    seconds: float
    missing: tuple[str, ...]
    message: str
    known: str
    excused: Mapping[str, int]
    entries: Mapping[str, int]
    after: tuple[str, ...]
    waived: tuple[str, ...]
    finding: Finding | None
    more: tuple[Finding, ...] = ()
    undocumented: bool = False

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All that was found: the first, and what there is without the ops that it belongs to."""
        return self.more if self.finding is None else (self.finding, *self.more)

    @property
    def place(self) -> tuple[str, int]:
        """Where it stands among laws: by family, and by number within that."""
        return self.family, int(self.law.rpartition("-")[2])

    @property
    def broken(self) -> str:
        """The law that is broken: the one that is blamed, where the programs of another show it."""
        return self.law if self.finding is None else self.finding.law

    @property
    def name(self) -> str:
        """What to call it in a list of failures."""
        return self.law if self.broken == self.law else f"{self.broken} (in {self.law})"


@dataclass(frozen=True)
class ExampleResult:
    """The verdict on one documented example."""

    name: str
    backend: str
    verdict: Verdict
    message: str


@dataclass(frozen=True)
class Record:
    """One run.

    laws:     every law of the run's level with the level it belongs to; empty in records that do not say.
    tried:    the laws that were to be tried.
    finished: whether the run came to its end.
    ops:      by op, {"programs": n, "dtypes": {dtype: n}, "orders": {order: n}}; empty in records that do not say.
    reach:    by engine, what its programs reached; as in `gradlaws.conformance.reach.reached`.
    laws_of:  in words, by the laws of which earlier release it was made; empty where by all that there are.
    wordings: of each law, which wording it has; empty in records that do not say.
    lines:    the lines themselves.
    """

    path: Path | None
    gradlaws: str
    engines: tuple[Engine, ...]
    judged: str
    seed: int
    profile: str
    examples: int
    level: str
    laws: Mapping[str, str]
    tried: tuple[str, ...]
    python: str
    platform: str
    started: str
    results: tuple[LawResult, ...]
    documented: tuple[ExampleResult, ...]
    finished: bool
    seconds: float
    ops: Mapping[str, Any]
    reach: Mapping[str, Any]
    laws_of: str
    wordings: Mapping[str, Any]
    lines: tuple[dict[str, Any], ...] = field(repr=False)

    @property
    def sealed(self) -> bool:
        """Whether its schema has a seal, which was found unbroken when it was read."""
        return bool(self.lines[0]["schema"] >= SEALED)

    @property
    def name(self) -> str:
        """What to call the record in a message."""
        return "this run" if self.path is None else str(self.path)


def load(path: Path, partial: bool = False) -> Record:
    """The record in a file; raises RecordError. `partial`: be content with a truncated one."""
    return replace(parsed(read(path, partial), f"record {path}"), path=path)


def parsed(lines: Iterable[dict[str, Any]], where: str = "this run") -> Record:
    """The record that these lines make; raises RecordError if they contradict themselves."""
    kept = tuple(lines)
    if not kept:
        raise RecordError(f"{where}: has no line that is whole")
    head = Line(kept[0], f"{where}: line 1 (header)")
    head.get("schema", int)
    footer = Line(kept[-1], f"{where}: line {len(kept)} (footer)") if _is(kept[-1], "footer") else None
    body = kept[1 : len(kept) - (footer is not None)]
    results, documented = [], []
    for number, line in enumerate(body, 2):
        entry = Line(line, f"{where}: line {number} ({line['type']})")
        if _is(line, "result"):
            results.append(law_result(entry))
        elif _is(line, "example"):
            documented.append(_example(entry))
        else:
            raise RecordError(f"{entry.where}: a record has no such line there")
    engines = tuple(_engine(entry, head) for entry in head.get("backends", list))
    names = {engine.name for engine in engines}
    for (kind, law, backend), count in Counter(
        [*(("law", r.law, r.backend) for r in results), *(("example", e.name, e.backend) for e in documented)]
    ).items():
        if count > 1:
            raise RecordError(f"{where}: has {count} verdicts on the {kind} {law} for {backend}")
        if backend not in names:
            raise RecordError(f"{where}: judges {backend}, which its header does not name")
    if footer is not None:
        _counted(footer, [*results, *documented])
    laws = head.get("laws", dict, {})
    if not all(LAW.fullmatch(law) and level in LEVELS for law, level in laws.items()):
        head.refuse("laws")
    tried = None if head.data.get("tried") is None else head.names("tried")
    return Record(
        None,
        head.get("gradlaws", str),
        engines,
        head.get("judged", str, ""),
        head.get("seed", int),
        head.get("profile", str),
        head.get("examples", int),
        head.level(),
        laws,
        tuple(laws if tried is None else tried),
        head.get("python", str),
        head.get("platform", str),
        head.get("started", str),
        tuple(results),
        tuple(documented),
        footer is not None and footer.get("exit", int) in (0, 1),
        0.0 if footer is None else float(footer.get("seconds", int | float)),
        {} if footer is None else ops_of(footer),
        {} if footer is None else footer.objects("reach"),
        laws_of(head),
        head.get("wordings", dict, {}),
        kept,
    )


def _is(line: dict[str, Any], kind: str) -> bool:
    return bool(line["type"] == kind)


def _engine(data: Any, head: Line) -> Engine:
    if not isinstance(data, dict):
        raise RecordError(f"{head.where}: 'backends' is no list of objects")
    entry = Line(data, head.where)
    name = entry.get("name", str)
    declared = entry.get("conventions", dict, {})
    if not all(isinstance(value, str) for value in declared.values()):
        entry.refuse("conventions")
    own = entry.get("own", dict, {})
    if not all(type(value) is int and value >= 0 for value in own.values()):
        entry.refuse("own")
    has = entry.names("capabilities"), entry.names("ops")
    return Engine(name, entry.get("version", str), *has, declared, own)


def result_of(data: dict[str, Any]) -> LawResult:
    """The result in a `result` line."""
    return law_result(Line(data, "this run"))


def law_result(entry: Line) -> LawResult:
    """The result in a checked line."""
    result = LawResult(
        entry.law(),
        entry.get("backend", str),
        entry.get("given", str),
        entry.verdict(),
        entry.get("family", str),
        entry.level(),
        entry.get("sentence", str),
        entry.get("source", str),
        entry.get("programs", int),
        entry.get("assertions", int),
        float(entry.get("worst", int | float)),
        float(entry.get("seconds", int | float)),
        entry.names("missing"),
        entry.get("message", str),
        entry.get("known", str),
        entry.counts("excused"),
        entry.counts("entries", {}),
        entry.names("after"),
        entry.names("waived", []),
        _finding(entry, entry.data.get("finding")),
        tuple(filter(None, (_finding(entry, found) for found in entry.get("more", list, [])))),
        entry.get("undocumented", bool, False),
    )
    if result.verdict is Verdict.PASS and not result.assertions:
        raise RecordError(f"{entry.where}: {result.law} passes without an assertion, which no run writes")
    return result


def _finding(result: Line, data: Any) -> Finding | None:
    if data is None:
        return None
    if not isinstance(data, dict):
        raise RecordError(f"{result.where}: 'finding' is no object")
    entry = Line(data, f"{result.where}: finding")
    steps = entry.get("steps", list, None) or ()
    if not all(isinstance(step, dict) for step in steps):
        entry.refuse("steps")
    return Finding(
        entry.law(),
        entry.get("thing", str),
        entry.get("got", str),
        entry.get("expected", str),
        entry.get("step", str, ""),
        entry.get("program", str, ""),
        tuple(steps),
        entry.get("replay", str, None),
        entry.get("sentence", str, result.data["sentence"]),
        entry.get("source", str, result.data["source"]),
        entry.verbatim("script"),
        _cause(entry, data.get("cause")),
    )


def _cause(result: Line, data: Any) -> Comes | None:
    if data is None:
        return None
    entry = Line(data if isinstance(data, dict) else {}, f"{result.where}: cause")
    finding = _finding(Line({"sentence": "", "source": ""}, entry.where), entry.get("finding", dict))
    assert finding is not None
    return Comes(entry.get("key", str), entry.get("title", str), finding)


def _example(entry: Line) -> ExampleResult:
    return ExampleResult(
        entry.get("name", str), entry.get("backend", str), entry.verdict(), entry.get("message", str)
    )


def _counted(footer: Line, results: list[LawResult | ExampleResult]) -> None:
    found = Counter(str(result.verdict) for result in results)
    if footer.get("results", int) != len(results) or footer.get("verdicts", dict) != dict(found):
        raise RecordError(
            f"{footer.where}: counts {footer.data['verdicts']}, but the lines before it are {dict(found)}; "
            f"the file was changed by hand"
        )
