"""What came of hunting the bugs of the zoo, as data: a line a bug and seed."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from gradlaws.conformance.detection.comparisons import gradcheck, plain
from gradlaws.conformance.detection.hunt import SHRINK, Kill, hunt
from gradlaws.conformance.judgement.effort import Effort
from gradlaws.conformance.judgement.profiles import CI
from gradlaws.conformance.zoo import BUGS


@dataclass(frozen=True)
class Outcome:
    """One bug under one seed: its death, or None; and whether the two plainer ways notice it."""

    bug: str
    seed: int
    kill: Kill | None
    gradcheck: bool
    plain: bool


def outcome(name: str, seed: int, everything: bool = False) -> Outcome:
    """The bug hunted at profile ci, by all laws where `everything` is wanted."""
    bug = BUGS[name]
    kill = hunt(bug, Effort(CI.examples, seed, SHRINK), everything)
    return Outcome(name, seed, kill, gradcheck(bug.make(), seed), plain(bug.make(), seed))


def outcomes(
    names: Sequence[str], seeds: Iterable[int], jobs: int = 1, everything: bool = False
) -> Iterator[Outcome]:
    """All of them, seed after seed, as they come."""
    calls = [(name, seed, everything) for seed in seeds for name in names]
    if jobs == 1:
        yield from (outcome(*call) for call in calls)
        return
    with ProcessPoolExecutor(jobs) as pool:
        yield from pool.map(outcome, *zip(*calls, strict=True))


def written(path: Path, found: Outcome) -> None:
    """Append an outcome to a file."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(found)) + "\n")


def read(path: Path) -> list[Outcome]:
    """The outcomes in a file; none where it is not there."""
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    found = [json.loads(line) for line in lines]
    return [Outcome(**{**one, "kill": one["kill"] and Kill(**one["kill"])}) for one in found]


@dataclass(frozen=True)
class Summary:
    """One bug under all seeds.

    killed:   under how many of `seeds`.
    laws:     those that were blamed, the most frequent first.
    examples: the median of the examples to the first failure; None where it survives.
    steps:    the smallest program.
    gradcheck, plain: under how many seeds the plainer ways notice it.
    """

    bug: str
    seeds: int
    killed: int
    laws: tuple[str, ...]
    examples: int | None
    steps: int | None
    gradcheck: int
    plain: int


def summaries(found: Sequence[Outcome]) -> list[Summary]:
    """In the order of the zoo, with those that were not hunted."""
    made = []
    for name in BUGS:
        own = [one for one in found if one.bug == name]
        kills = [one.kill for one in own if one.kill is not None]
        sizes = [kill.steps for kill in kills if kill.steps is not None]
        made.append(
            Summary(
                name,
                len(own),
                len(kills),
                tuple(law for law, _ in Counter(kill.law for kill in kills).most_common()),
                int(median(kill.examples for kill in kills)) if kills else None,
                min(sizes) if sizes else None,
                sum(one.gradcheck for one in own),
                sum(one.plain for one in own),
            )
        )
    return made
