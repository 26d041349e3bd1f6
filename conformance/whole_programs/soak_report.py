"""What is said of a soak: a finding as it comes, and what came of it all."""

from __future__ import annotations

from collections.abc import Iterator

from gradlaws.conformance.judgement.finding_builder import PROCESS
from gradlaws.conformance.laws.whole_program_laws import promise
from gradlaws.conformance.whole_programs.ledger import Found
from gradlaws.conformance.whole_programs.soak_file import Course


def told(found: Found) -> str:
    """A finding: what was seen, the law and its source, the program, and the command that runs it again.

    With the program as a stand-alone script, where there is one.
    """
    f = found.finding
    sentence, link = promise(f.law)
    after = f"after `{f.step}`: " if f.step and f"`{f.step}`" not in f.thing else ""
    where = "" if found.number is None else f", program {found.number:,}"
    parts = [
        f"{f.law} ({found.id}{where})",
        f.got if f.thing == PROCESS else f"{after}{f.thing} is {f.got}, expected {f.expected}",
    ]
    parts += [f"law:    {sentence}", f"source: {link}"] if sentence else []
    if f.recurrence is not None and f.recurrence.told:
        parts += [f.recurrence.told]
    parts += ["program:", *("    " + text for text in f.program.splitlines())]
    parts += [f"again:  gradlaws soak --replay {found.id}"]
    return "\n".join([*parts, *(["", "stand-alone:", "", f.script] if f.script else [])])


def lines(soak: Course) -> Iterator[str]:
    """What came of a soak, in a few lines."""
    t, found, head = soak.ledger.tally, soak.ledger.found, soak.heading()
    rate = t.programs / t.wall if t.wall else 0.0
    yield (
        f"{t.programs:,} programs of mean length {t.steps / max(t.programs, 1):.1f} on {head['backend']}, "
        f"seed {head['seed']}, numbers up to {t.number:,}: {rate:.0f} a second, {t.assertions:,} snapshots compared, "
        f"worst ratio of error to bound {t.worst:.2g}"
    )
    if t.excused:
        told = ", ".join(f"{law} {n:,}" for law, n in t.excused.most_common())
        yield (
            f"programs that show a known failure: {t.listed:,} ({told}); cut short by it: {t.ended:,}, "
            f"{t.ended / max(t.programs, 1):.1%} of all"
        )
    if t.crashes:
        yield f"programs that ended the process, or did not end: {t.crashes:,}"
    whole = sum(t.seconds.values()) or 1.0
    yield "time: " + ", ".join(
        f"{part} {100 * s / whole:.0f} %" for part, s in sorted(t.seconds.items(), key=lambda item: -item[1])
    )
    for first, end in t.lost:
        yield f"LOST: of programs {first:,} to {end - 1:,} nothing is known: they were judged by nobody to the end"
    yield f"{len(found)} findings" if found else "no findings"
