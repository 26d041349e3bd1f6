"""Write a list of known failures from a record, check one, or try what it masks.

A list is a TOML file with an entry for each law that an engine is known to break, with a reason and a link. `write`
adds an entry for each law that fails and is not listed, below what is there; a person fills in the reasons.
`check` reads a list as a run would, and with a record says which entries are stale and what is missing. `mask` tries
every planted fault with the list and without: one that is caught without it only is masked.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from contextlib import suppress
from operator import attrgetter
from pathlib import Path

from gradlaws.commands import CommandError
from gradlaws.conformance.judgement.verdict import BREAKS, Verdict
from gradlaws.conformance.known_failures.entry import KnownFailuresError
from gradlaws.conformance.known_failures.matching import KnownFailures
from gradlaws.reports.exit_codes import Exit
from gradlaws.reports.output_paths import check_file
from gradlaws.reports.record import LawResult
from gradlaws.reports.record import load as load_record
from gradlaws.reports.view import View, views
from gradlaws.reports.wording import plural

EXAMPLE = """
gradlaws known-failures write gradlaws.jsonl --output known-failures.toml
gradlaws known-failures check known-failures.toml --record gradlaws.jsonl
gradlaws known-failures mask torch jax
gradlaws run --backend my_adapter:MyBackend --known-failures known-failures.toml"""


def options(parser: ArgumentParser) -> None:
    """Declare the options."""
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="write|check|mask")
    write = kinds.add_parser("write", help="add what fails in a record to a list")
    write.add_argument("record", type=Path, metavar="RECORD", help="the record of a run")
    write.add_argument(
        "--output",
        type=Path,
        default=Path("known-failures.toml"),
        metavar="FILE",
        help="the list; made if it is not there (default: known-failures.toml)",
    )
    write.add_argument("--reason", default="", metavar="TEXT", help="one reason for all new entries")
    write.add_argument("--link", default="", metavar="URL", help="one link for all new entries")
    write.add_argument("--engine", metavar="NAME", help="which engine, if the record has several")
    check = kinds.add_parser("check", help="read a list as a run would")
    check.add_argument("file", type=Path, metavar="FILE", help="the list")
    check.add_argument(
        "--record", type=Path, metavar="RECORD", help="say what is stale, and what is not listed"
    )
    check.add_argument("--engine", metavar="NAME", help="which engine, if the record has several")
    mask = kinds.add_parser("mask", help="try every planted fault with lists and without")
    mask.add_argument(
        "files",
        nargs="+",
        metavar="FILE|ENGINE",
        help="lists, or the names of engines with a shipped one",
    )
    mask.add_argument("--seeds", type=int, default=3, metavar="N", help="under so many seeds (default: 3)")
    mask.add_argument("--examples", type=int, default=100, metavar="N", help="programs a law (default: 100)")


def execute(options: Namespace) -> int:
    """Write, check or mask."""
    return {"write": _write, "check": _check, "mask": _mask}[options.kind](options)


def _listed(path: Path, complete: bool) -> KnownFailures:
    from gradlaws.conformance.known_failures.toml_parser import load
    from gradlaws.conformance.laws.whole_program_laws import LISTABLE

    try:
        return load(path, LISTABLE, complete)
    except KnownFailuresError as error:
        raise CommandError(str(error)) from error


def _view(path: Path, engine: str | None) -> View:
    found = [view for view in views([load_record(path)]) if engine in (None, view.engine.name)]
    if len(found) != 1:
        names = ", ".join(view.engine.name for view in views([load_record(path)]))
        raise CommandError(f"{path}: give one engine by --engine; the record has {names}")
    return found[0]


def _write(options: Namespace) -> int:
    from gradlaws.reports.formats import write
    from gradlaws.reports.known_failures_writer import WHOLE, added

    check_file(options.output, "--output")
    view, path = _view(options.record, options.engine), options.output
    listed = _listed(path, complete=False) if path.exists() else KnownFailures()
    before = path.read_text("utf-8") if path.exists() else ""
    text, laws = added(before, view, listed, options.reason, options.link, _deviation)
    if any(r.family == WHOLE and r.verdict in BREAKS and r.broken == r.law for r in view.ordered):
        print("What whole programs show breaks no law in particular, and is not added: list it as ENGINE.")
    if not laws:
        print(f"{path}: nothing to add, {plural(len(listed), 'entry', 'entries')} as before")
        return Exit.CONFORMS
    write(path, text)
    print(f"{path}: added {', '.join(laws)}")
    try:
        _listed(path, complete=True)
    except CommandError:
        print(
            "Say in each entry why (`reason`) and where that is said (`link`): the list is refused until then."
        )
    return Exit.CONFORMS


def _deviation(result: LawResult) -> str:
    """The deviation that does what was found, and whatever else the engine does there; empty if none does."""
    from gradlaws.conformance.adapters.reference import ReferenceBackend
    from gradlaws.conformance.deviations import DEVIATIONS, deviant
    from gradlaws.conformance.execution.whole_program_run import watchful
    from gradlaws.conformance.language.serialization import loaded
    from gradlaws.conformance.laws.breach import Broken
    from gradlaws.conformance.whole_programs.judge import breach

    finding = result.finding
    assert finding is not None
    steps = loaded([dict(step) for step in finding.steps])
    for name in DEVIATIONS:
        engine = deviant([name])
        engine.refuses = finding.expected.startswith("no error")
        with suppress(Exception):  # the program may hold what no whole program does
            error = breach(watchful(steps), ReferenceBackend(engine=engine))
            alike = isinstance(error, Broken) and (error.thing, error.got) == (finding.thing, finding.got)
            if alike and _suffices(name, result):
                return name
    return ""


def _suffices(deviation: str, result: LawResult) -> bool:
    """Whether nothing of the law is left to find with it listed; of one small program two defects may do the same."""
    from gradlaws.conformance.engines.discovery import BackendError, find
    from gradlaws.conformance.judgement.effort import Effort
    from gradlaws.conformance.known_failures.entry import Known
    from gradlaws.conformance.whole_programs.run_item import judge_any, law_of

    try:
        backend = find(result.given)
    except BackendError:  # the record is from elsewhere
        return True
    law, listed = law_of(result.law), Known(result.law, "as proposed", "none", deviation=deviation)
    assert law is not None
    return judge_any(law, backend, Effort(shrink=0.0), KnownFailures([listed])).verdict not in BREAKS


def _mask(options: Namespace) -> int:
    from gradlaws.conformance.judgement.masked_faults import Tried, tried
    from gradlaws.conformance.known_failures.toml_parser import shipped

    lists = {name: shipped(name) or _listed(Path(name), complete=True) for name in options.files}
    print(
        "| list | fault | law | caught without the list | with it | else excused by |",
        "|---|---|---|---|---|---|",
        sep="\n",
    )
    found: dict[str, list[Tried]] = {name: [] for name in lists}
    for one in tried(lists, options.examples, range(options.seeds)):
        found[one.name].append(one)
        if one.excused or one.entries:
            sign = " MASKED" if one.masked else " itself" if one.itself else ""
            why = "; ".join(entry.label for entry in one.entries)
            counts = f"{one.without} | {one.within}{sign}"
            print(f"| {one.name} | {one.fault} | {one.law} | {counts} | {why} |", flush=True)
    print(f"\nEvery planted fault before every law that must catch it, {plural(options.seeds, 'seed')}.\n")
    print(
        "| list | entries | broad | tried | of a law that it lists | the listed defect itself | masked |",
        "|---|---|---|---|---|---|---|",
        sep="\n",
    )
    for name, some in found.items():
        broad = ", ".join(sorted({entry.law for entry in lists[name].entries if entry.broad})) or "none"
        own, itself, masked = (sum(map(attrgetter(key), some)) for key in ("excused", "itself", "masked"))
        print(f"| {name} | {len(lists[name])} | {broad} | {len(some)} | {own} | {itself} | {masked} |")
    return Exit.FAILS if any(one.masked for some in found.values() for one in some) else Exit.CONFORMS


def _check(options: Namespace) -> int:
    from gradlaws.reports.known_failures_writer import described, failing

    listed = _listed(options.file, complete=True)
    wrong = 0
    view = None if options.record is None else _view(options.record, options.engine)
    for entry in listed.entries:
        word = "EXPIRED" if entry.expired else "inherits" if entry.inherited else "listed"
        print(f"{word:8} {described(entry)}")
        wrong += entry.expired
        if view is not None:
            programs, laws = view.excused.get(entry.label, (0, []))
            shown = f"{plural(programs, 'program')} of {', '.join(laws)}" if programs else "nothing"
            print(f"         excused {shown}")
    if view is not None:
        about = listed.applying(frozenset(view.engine.capabilities), view.engine.version)
        for law, result in dict(failing(view)).items():
            if law not in about.laws:
                print(f"unlisted {law}: {result.verdict} in {options.record}")
                wrong += 1
        for result in view.ordered:
            if about.of(result.law) and result.verdict in (Verdict.PASS, Verdict.STALE):
                print(f"STALE    {result.law}: passes in {options.record}; take it off the list")
                wrong += 1
    print(f"{plural(len(listed), 'entry', 'entries')}, {wrong} to mend")
    return Exit.FAILS if wrong else Exit.CONFORMS
