"""Hunt the bugs of the zoo at profile ci, and write a page of what was detected, beside two plainer ways of testing.

The zoo is made of bugs of real autograd engines, each rebuilt in the reference engine. What comes of each bug and seed
is appended to a file at once, so that a hunt can be stopped, and goes on where it was.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from difflib import get_close_matches
from pathlib import Path

from gradlaws.commands import CommandError
from gradlaws.conformance.suite.option_types import count
from gradlaws.reports.exit_codes import Exit

EXAMPLE = """
gradlaws zoo --seeds 1
gradlaws zoo gather-assigns points-assign --seeds 3
gradlaws zoo --seeds 10 --jobs 4 --results zoo.jsonl --out docs/zoo.md"""


def options(parser: ArgumentParser) -> None:
    """Declare the options."""
    add = parser.add_argument
    add("bugs", nargs="*", metavar="BUG", help="which ones (default: all)")
    add("--seeds", type=count, default=1, metavar="N", help="hunt under the seeds 0 to N - 1 (default: 1)")
    add("--thorough", action="store_true", help="ask all laws, not just those that may well catch a bug")
    add("--jobs", type=count, default=1, metavar="N", help="processes (default: 1)")
    add(
        "--results", type=Path, metavar="FILE", help="append what comes to this file, and go on where it ends"
    )
    add("--out", type=Path, metavar="FILE", help="write the page here (Markdown)")


def execute(options: Namespace) -> int:
    """Hunt, say what comes, write the page; exit code 1 where a bug survives."""
    from gradlaws.conformance.detection.comparisons import CALLS, PROGRAMS
    from gradlaws.conformance.detection.page import page
    from gradlaws.conformance.detection.results import outcomes, read, summaries, written
    from gradlaws.conformance.zoo import BUGS

    for name in options.bugs:
        if name not in BUGS:
            close = get_close_matches(name, BUGS, 1)
            hint = f"; did you mean {close[0]}?" if close else ""
            raise CommandError(f"there is no bug {name!r} in the zoo{hint}")
    found = [] if options.results is None else read(options.results)
    done = {(one.bug, one.seed) for one in found}
    names = options.bugs or list(BUGS)
    for seed in range(options.seeds):
        left = [name for name in names if (name, seed) not in done]
        for one in outcomes(left, [seed], options.jobs, options.thorough) if left else ():
            found.append(one)
            if options.results is not None:
                written(options.results, one)
            how = "survives" if one.kill is None else f"{one.kill.law} after {one.kill.examples} examples"
            print(f"seed {seed}: {one.bug}: {how}", flush=True)
    wanted = [one for one in found if one.bug in names and one.seed < options.seeds]
    told = summaries(wanted)
    if options.out is not None:
        options.out.write_text(page(told, CALLS, PROGRAMS), "utf-8")
    print(f"{sum(one.killed for one in told)} of {len(wanted)} hunts ended with a kill")
    return Exit.CONFORMS if all(one.killed == one.seeds for one in told) else Exit.FAILS
