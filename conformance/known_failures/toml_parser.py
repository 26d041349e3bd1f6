"""Lists of known failures in TOML: what an engine is known to break, with a reason and a link, as entries.

    [[known]]
    law = "VAL-11"
    reason = "the gradient of a view aliases the gradient argument"
    link = "https://github.com/..."
    seen = ["shared"]                # what the breach looks like (`symptom.SEEN`)
    ops = ["view", "reshape"]        # where it shows: programs that use one of these ops; or
    steps = ["Grad", "retained"]     # programs with steps of all these kinds, among them a relation (`program_marks`)
    things = ["x.grad after both"]   # instead of these, of an exhibit: what was looked at, in the finding's words
    deviation = "grad-writes-retained"  # instead of these: what the engine does, executable (`deviations`)
    broad = "no sum is ever right"   # instead of ops and relation: why there is neither
    also = ["ACC-01", "RET-12"]      # optional, with a script: further laws whose programs show the same defect
    apart = true                     # optional, with ops: programs of all other laws are drawn without them
    calls = ["0-d"]                  # optional, with apart: without such calls of them (`op_calls`)
    dtypes = ["float32"]             # optional: only programs with a tensor of one of these
    modes = ["no_grad"]              # optional: only programs that enter one of these grad modes
    capabilities = ["inplace"]       # optional: only for an adapter that claims all of these
    versions = "<0.14"               # optional: only for releases of the engine that this specifier admits
    until = 2027-01-31               # optional: the last day on which it is excused
    script = '''...'''               # optional: a few lines that raise AssertionError while the defect is there

An entry that could excuse a total breach of its law is refused, with what to say instead (`Known.narrow`), unless it
is said to be broad.

The list must say what is true today. An entry with a script stands as long as the script shows the defect, however
rarely programs do; one without stands as long as the programs of its law show it. Where that ends, the law is STALE,
and an error. An entry whose day is over excuses nothing.

An engine that is built on another one shows the other's defects, too. Its list says so before the first entry:

    inherits = "torch"               # optional: the entries that are shipped for this engine excuse here, too

    without = ["..."]                # optional: deviations of that list which this engine does not show

What is inherited excuses where it shows. It need not show, so a law that it is about passes where nothing does.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import replace
from datetime import date, datetime
from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet  # what pytest needs, too

from gradlaws.conformance.deviations import DEVIATIONS, variant
from gradlaws.conformance.known_failures.entry import ANY, Engine, Known, KnownFailuresError
from gradlaws.conformance.known_failures.matching import KnownFailures
from gradlaws.conformance.known_failures.op_calls import CALLS
from gradlaws.conformance.known_failures.program_marks import MARKS
from gradlaws.conformance.known_failures.symptom import SEEN
from gradlaws.conformance.language.serialization import KINDS
from gradlaws.conformance.ops import INPLACE, TABLE

FIELDS: dict[str, type] = {
    "law": str,
    "reason": str,
    "link": str,
    "also": list,
    "ops": list,
    "dtypes": list,
    "modes": list,
    "steps": list,
    "capabilities": list,
    "versions": str,
    "until": date,
    "script": str,
    "deviation": str,
    "seen": list,
    "things": list,
    "broad": str,
    "apart": bool,
    "calls": list,
}


#: What conditions may name.
NAMES: dict[str, frozenset[str]] = {
    "ops": TABLE.names() | frozenset(INPLACE),
    "modes": frozenset({"no_grad", "enable_grad"}),
    "seen": frozenset(SEEN),
    "steps": frozenset({*KINDS, *MARKS}),
    "calls": frozenset(CALLS),
}


def about(engine: Engine, listed: KnownFailures | None = None) -> KnownFailures:
    """The entries that are about this adapter and its engine's release: of a list, or of the shipped one."""
    listed = shipped(engine.name) if listed is None else listed
    return listed.applying(engine.capabilities, engine.version())


def shipped(backend: str) -> KnownFailures:
    """The entries that come with the suite for a backend of this name; none if there is no such file."""
    place = files("gradlaws.conformance") / "known_failures" / f"{backend}.toml"
    return parsed(place.read_text("utf-8"), place.name) if place.is_file() else KnownFailures()


def _inherited(backend: object, without: object, where: str) -> list[Known]:
    """The entries of the engine that this one is built on, less those about deviations that it does not show."""
    there = files("gradlaws.conformance") / "known_failures"
    names = sorted(
        place.name.removesuffix(".toml") for place in there.iterdir() if place.name.endswith(".toml")
    )
    if backend not in names:
        raise KnownFailuresError(
            f"known failures {where}: inherits {backend!r}: no list of this name is shipped; "
            f"there are {', '.join(names)}"
        )
    entries = shipped(str(backend)).entries
    named = {entry.deviation for entry in entries} - {""}
    if not isinstance(without, list) or not set(map(str, without)) <= named:
        raise KnownFailuresError(
            f"known failures {where}: without {without!r}: must list deviations that entries of {backend} name: "
            f"{', '.join(sorted(named))}"
        )
    return [replace(entry, inherited=True) for entry in entries if entry.deviation not in without]


def _inherited_by(data: dict[str, Any], where: str) -> list[Known]:
    return _inherited(data["inherits"], data.get("without", []), where) if "inherits" in data else []


def load(path: Path, laws: Iterable[str], complete: bool = True) -> KnownFailures:
    """The entries of a file; raises KnownFailuresError if it is not one, or names unknown laws.

    complete: refuse entries that lack a reason or a link.
    """
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise KnownFailuresError(f"known failures {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise KnownFailuresError(f"known failures {path}: is no text") from error
    return parsed(text, str(path), complete, frozenset(laws))


def parsed(text: str, where: str, complete: bool = True, laws: frozenset[str] | None = None) -> KnownFailures:
    """The entries in a text of TOML; raises KnownFailuresError, as `load` does."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise KnownFailuresError(f"known failures {where}: not TOML: {error}") from error
    strange = sorted(set(data) - {"known", "inherits", "without"})
    if strange:
        raise KnownFailuresError(
            f"known failures {where}: unknown key {strange[0]!r}; entries are [[known]], and before them "
            "may stand `inherits` and `without`"
        )
    entries = data.get("known", [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise KnownFailuresError(
            f"known failures {where}: `known` must be a list of tables, each headed [[known]]"
        )
    own = [_entry(entry, number, where, complete) for number, entry in enumerate(entries, 1)]
    found = KnownFailures(own + _inherited_by(data, where))
    if laws is not None and (unknown := sorted(found.laws - laws)):
        raise KnownFailuresError(f"known failures {where}: no such law: {', '.join(unknown)}")
    for entry in own if complete else ():
        if not entry.narrow and not entry.broad:
            raise KnownFailuresError(f"known failures {where}: {entry.law}: {_too_broad(entry)}")
    return found


def _entry(entry: dict[str, Any], number: int, where: str, complete: bool) -> Known:
    name = entry.get("law", f"number {number}")
    for key, value in entry.items():
        if key not in FIELDS:
            raise KnownFailuresError(
                f"known failures {where}: {name}: unknown key {key!r}; there are {', '.join(FIELDS)}"
            )
        if not isinstance(value, FIELDS[key]) or isinstance(value, datetime):
            raise KnownFailuresError(
                f"known failures {where}: {name}: {key} must be a {FIELDS[key].__name__}"
                + (" without quotes, such as 2027-01-31" if FIELDS[key] is date else "")
            )
        if isinstance(value, list) and not all(isinstance(item, str) for item in value):
            raise KnownFailuresError(f"known failures {where}: {name}: {key} must be a list of names")
        for item in sorted(frozenset(value) - NAMES[key]) if key in NAMES and isinstance(value, list) else ():
            if key == "ops" and "." in item:
                continue  # a row of an adapter's own
            near = get_close_matches(item, NAMES[key], 3, 0.5) or (sorted(NAMES[key]) if key != "ops" else ())
            hint = f"; there is {', '.join(near)}" if near else ""
            raise KnownFailuresError(f"known failures {where}: {name}: {key}: no program has {item!r}{hint}")
    for key, what in (
        ("law", "which one?"),
        ("reason", "say it in a sentence"),
        ("link", "where is it said?"),
    ):
        if not entry.get(key, "").strip() and (complete or key == "law"):
            raise KnownFailuresError(f"known failures {where}: {name}: `{key}` is missing; {what}")
    if entry.get("also") and not entry.get("script", "").strip():
        raise KnownFailuresError(
            f"known failures {where}: {name}: `also` needs a `script` that shows what these laws have in common"
        )
    if (
        ANY in entry.get("also", ())
        and not entry.get("ops")
        and MARKS.keys().isdisjoint(entry.get("steps", ()))
    ):
        raise KnownFailuresError(
            f"known failures {where}: {name}: `also` names any law only where `ops` are named, "
            f"or among `steps` one of {', '.join(MARKS)}"
        )
    if entry.get("apart") and (
        not entry.get("ops")
        or ANY in entry.get("also", ())
        or any(entry.get(key) for key in ("steps", "modes", "dtypes"))
    ):
        raise KnownFailuresError(
            f"known failures {where}: {name}: `apart` keeps `ops` out of the programs of other laws: name the ops, and "
            f"neither steps, modes, dtypes nor any law by `also`"
        )
    if entry.get("calls") and not entry.get("apart"):
        raise KnownFailuresError(
            f"known failures {where}: {name}: `calls` says which calls of its ops are kept apart: add `apart = true`"
        )
    if (deviation := entry.get("deviation", "")) and variant(deviation) is None:
        near = get_close_matches(deviation, DEVIATIONS, 1) or list(DEVIATIONS)
        raise KnownFailuresError(
            f"known failures {where}: {name}: no deviation {deviation!r} is known; there is {', '.join(near)}"
        )
    if deviation and any(entry.get(key) for key in ("ops", "modes", "steps", "dtypes", "seen", "broad")):
        raise KnownFailuresError(
            f"known failures {where}: {name}: `deviation` says what is excused: leave out ops, modes, steps, "
            f"dtypes, seen and broad"
        )
    try:
        SpecifierSet(entry.get("versions", ""))
    except InvalidSpecifier as error:
        raise KnownFailuresError(
            f"known failures {where}: {name}: versions must be a specifier such as '<0.14' or '>=0.13,<0.14'"
        ) from error
    return Known(
        entry["law"],
        entry.get("reason", ""),
        entry.get("link", ""),
        frozenset(entry.get("ops", ())),
        frozenset(entry.get("modes", ())),
        frozenset(entry.get("steps", ())),
        entry.get("script", ""),
        frozenset(entry.get("dtypes", ())),
        frozenset(entry.get("capabilities", ())),
        entry.get("until"),
        frozenset(entry.get("also", ())),
        entry.get("versions", ""),
        deviation=entry.get("deviation", ""),
        seen=frozenset(entry.get("seen", ())),
        things=frozenset(entry.get("things", ())),
        broad=entry.get("broad", "").strip(),
        apart=entry.get("apart", False),
        calls=frozenset(entry.get("calls", ())),
    )


def _too_broad(entry: Known) -> str:
    """What to say instead of an entry that would excuse a total breach of its law."""
    named = (
        ""
        if entry.seen
        else "say by `seen` what the breach looks like (" + ", ".join(sorted(SEEN)) + "), and "
    )
    return (
        f"it would excuse a total breach of the law: {named}where it shows, by `ops` or by one of "
        f"{', '.join(MARKS)} among `steps`; or name a `deviation`; or, where the engine never keeps the law, "
        "say so by `broad`, which reports count"
    )
