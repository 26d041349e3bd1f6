"""The page of the zoo: what was detected, by whom, and after how many examples."""

from __future__ import annotations

from collections.abc import Sequence

from gradlaws.conformance.detection.results import Summary
from gradlaws.conformance.zoo import BUGS, MECHANISMS

INTRODUCTION = """# The zoo

{bugs} bugs of real autograd engines, rebuilt: each is the reference engine with one thing wrong, as narrow as it was in
the public issue or pull request that it is modelled on. `gradlaws zoo` hunts each of them under several seeds at
profile `ci`, and wrote this page:

```sh
gradlaws zoo --seeds 5 --jobs 4 --results zoo.jsonl --out docs/zoo.md
```

- **killed**: under how many of the seeds a run at profile `ci` fails, as far as it was tried: laws that may well catch
  a bug are asked first, then whole programs, and the first failure ends the hunt (all other laws are asked with
  `--thorough`). **examples** is the median of what was judged until then.
- **laws**: those that were blamed. **steps**: of the smallest program that was found; a dash for an exhibit.
- **gradcheck**: under how many of the seeds numerical differences of {calls} calls of each op, with one backward of new
  tensors each, notice the bug. **plain**: the same for {programs:,} random programs with one forward and one backward,
  compared with an engine that is right. Neither knows a second backward, a hook, a mode or an in-place op.

In all, {killed} of {hunts} hunts end with a kill; {always} of {bugs} bugs are killed under every seed, {never} under
none. Gradcheck notices {gradcheck} of the bugs under some seed, the plain comparison {plain}.
"""


def page(found: Sequence[Summary], calls: int, programs: int) -> str:
    """The page, as Markdown."""
    head = INTRODUCTION.format(
        bugs=len(found),
        calls=calls,
        programs=programs,
        killed=sum(one.killed for one in found),
        hunts=sum(one.seeds for one in found),
        always=sum(0 < one.killed == one.seeds for one in found),
        never=sum(one.seeds > 0 == one.killed for one in found),
        gradcheck=sum(one.gradcheck > 0 for one in found),
        plain=sum(one.plain > 0 for one in found),
    )
    parts = [head]
    for key, mechanism in MECHANISMS.items():
        own = [one for one in found if BUGS[one.bug].mechanism == key]
        if own:
            parts.append(f"\n## {key}: {mechanism.title}\n\n{_table(own)}")
    missed = [one for one in found if one.killed < one.seeds]
    if missed:
        parts.append(f"\n## What survives\n\n{_survivors(missed)}")
    return "".join(parts)


def _table(found: Sequence[Summary]) -> str:
    lines = [
        "| bug | modelled on | killed | laws | examples | steps | gradcheck | plain |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for one in found:
        bug = BUGS[one.bug]
        owner, repository, _, number = bug.reference.removeprefix("https://github.com/").split("/")
        cells = (
            bug.sentence,
            f"[{repository} #{number}]({bug.reference} '{owner}/{repository}')",
            f"{one.killed} of {one.seeds}" if one.seeds else "not hunted",
            ", ".join(one.laws[:4]) or "-",
            "-" if one.examples is None else str(one.examples),
            "-" if one.steps is None else str(one.steps),
            _share(one.gradcheck, one.seeds),
            _share(one.plain, one.seeds),
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _share(count: int, seeds: int) -> str:
    return f"{count} of {seeds}" if count else "-"


def _survivors(found: Sequence[Summary]) -> str:
    lines = ["Under some seeds, neither these laws nor whole programs notice:", ""]
    for one in found:
        bug = BUGS[one.bug]
        reason = f" {bug.survives}" if bug.survives else ""
        lines.append(
            f"- **{one.bug}** ({bug.mechanism}), {one.seeds - one.killed} of {one.seeds} seeds.{reason}"
        )
    return "\n".join(lines) + "\n"
