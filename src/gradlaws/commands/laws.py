"""List the laws, or show one with its source.

Without an argument every law is listed with its level and sentence; with an id (ACC-01) that law is shown in
full, with a family (ACC) all of that family are listed.
"""

from __future__ import annotations

import inspect
import json
from argparse import ArgumentParser, Namespace
from difflib import get_close_matches
from typing import Any

from gradlaws.commands import CommandError
from gradlaws.reports.exit_codes import Exit

EXAMPLE = """
gradlaws laws                 # all of them
gradlaws laws RET --level core
gradlaws laws ACC-01          # one, with its source and its check"""


def options(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("law", nargs="?", metavar="ID|FAMILY", help="a law (ACC-01) or a family (ACC)")
    parser.add_argument(
        "--level", choices=("core", "full", "torch"), help="list only the laws of this level and below"
    )
    parser.add_argument(
        "--freeze", action="store_true", help="as the file of a release, for --laws-of of later ones"
    )
    parser.add_argument("--json", action="store_true", help="as JSON, for programs")


def execute(options: Namespace) -> int:
    """Print what was asked for."""
    from gradlaws.conformance.laws import LAWS, LEVELS, Law
    from gradlaws.conformance.laws.whole_program_laws import PROMISES, promise
    from gradlaws.conformance.suite.earlier_laws import frozen
    from gradlaws.conformance.whole_programs.run_item import WHOLE

    wanted = (options.law or "").upper()
    included = LEVELS[: LEVELS.index(options.level) + 1] if options.level else LEVELS
    found = [
        law
        for law in LAWS.values()
        if law.level in included and (not wanted or wanted in (law.id, law.family))
    ]
    if not found and wanted in PROMISES:
        sentence, source = promise(wanted)
        print(
            f"{wanted}  {sentence}\nsource: {source}\nJudged by whole programs only: --laws {wanted} tries these."
        )
        return Exit.CONFORMS
    if not found:
        names = [*LAWS, *dict.fromkeys(law.family for law in LAWS.values())]
        near = get_close_matches(wanted, names, 1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise CommandError(f"there is no law {options.law}: {hint}`gradlaws laws` lists them")

    def data(law: Law) -> dict[str, Any]:
        return {
            "id": law.id,
            "name": law.name,
            "family": law.family,
            "level": law.level,
            "sentence": law.sentence,
            "source": law.source,
            "needs": sorted(law.needs),
            "undocumented": law.undocumented,
            "after": list(law.after),
        }

    if options.freeze:
        print(json.dumps(frozen(found if wanted else (*found, WHOLE))))
    elif options.json:
        print(json.dumps([data(law) for law in found], indent=2, ensure_ascii=False))
    elif wanted in LAWS:
        print(_shown(found[0]))
    else:
        for law in found:
            print(f"{law.id:8} {law.level:5}  {law.sentence}{' (undocumented)' * law.undocumented}")
        print(f"\n{len(found)} laws; `gradlaws laws {found[0].id}` shows one with its source")
    return Exit.CONFORMS


def _shown(law: Any) -> str:
    from gradlaws.conformance.faults import FAULTS

    rows = [
        ("sentence", law.sentence),
        ("source", law.source),
        (
            "level",
            law.level + ", undocumented: what PyTorch does, and no documentation promises" * law.undocumented,
        ),
        ("needs", ", ".join(sorted(law.needs)) or "nothing that is not required of every adapter"),
        ("drawn", _explained(law.leaning) if law.leaning else "an exhibit: no program can say this"),
        ("caught", ", ".join(fault.name for fault in FAULTS.values() if law.id in fault.breaks)),
        ("after", ", ".join(law.after)),
    ]
    lines = [f"{law.id}  {law.name}", "", *(f"{name + ':':10}{text}" for name, text in rows if text)]
    return "\n".join([*lines, "", inspect.getsource(law.check).rstrip()])


def _explained(leaning: Any) -> str:
    return " ".join(str(inspect.getdoc(leaning) or getattr(leaning, "__name__", "")).split("\n\n")[0].split())
