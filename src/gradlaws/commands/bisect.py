"""Say between which two releases of an engine a law, or a program that failed, changed its verdict.

Releases between a good and a bad one are installed by pip, each in an environment of its own, and judged by this suite
until two that follow each other differ. What cannot be installed is passed over, and told.
"""

from __future__ import annotations

import re
import subprocess
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from packaging.version import InvalidVersion, Version

from gradlaws.commands import CommandError
from gradlaws.commands.environments import Environment, default_home, prepare, shipped, variables
from gradlaws.conformance.judgement.profiles import CI
from gradlaws.conformance.judgement.verdict import BREAKS, Verdict
from gradlaws.conformance.suite.option_types import count
from gradlaws.reports.exit_codes import Exit
from gradlaws.reports.record import load
from gradlaws.reports.wording import plural

EXAMPLE = """
gradlaws bisect --backend torch --good 2.4.1 --bad 2.8.0 HOOK-20
gradlaws bisect --backend tinygrad --good 0.13.0 --bad 0.12.0 VAL-01-1a2b3c4d --record from-ci.jsonl"""


def options(parser: ArgumentParser) -> None:
    """Declare the options."""
    add = parser.add_argument
    add("what", metavar="LAW|ID", help="a law, or the replay id of a failure in --record")
    add("--backend", required=True, metavar="NAME|module:attribute", help="the adapter")
    add("--good", required=True, metavar="VERSION", help="a release that keeps the law")
    add("--bad", required=True, metavar="VERSION", help="a release that breaks it, earlier or later")
    add("--package", metavar="NAME", help="what pip installs (default: as in the engine's environment)")
    add(
        "--with",
        dest="also",
        action="append",
        default=[],
        metavar="REQUIREMENT",
        help='what else pip installs, for example "numpy<2"; repeatable',
    )
    add("--releases", metavar="V,...", help="the releases to choose from, instead of all that pip knows")
    add("--record", type=Path, default=Path("gradlaws.jsonl"), metavar="FILE", help="where an ID is from")
    add("--max-examples", type=count, default=CI.examples, metavar="N", help="programs of the law")
    add("--seed", type=int, default=0, metavar="N", help="chooses the programs (default: 0)")
    add("--home", type=Path, metavar="DIR", help="where environments are kept, as of `gradlaws engines`")


#: Verdicts of a law that is broken, listed or not; what is STALE holds.
BROKEN = BREAKS - {Verdict.STALE} | {Verdict.KNOWN}
#: Judges a release: whether it breaks the law, and how that is told. None where it cannot be judged.
Judge = Callable[[str], tuple[bool, str] | None]


def execute(options: Namespace) -> int:
    """Bisect; 0 if it is known where the verdict changed."""
    env = _environment(options)
    home = (options.home or default_home()).resolve()
    releases = between(_releases(env.requirements[0], options), options.good, options.bad)
    tries = max(1, (len(releases) - 1).bit_length()) + 1
    print(f"{plural(len(releases), 'release')} from {releases[0]} to {releases[-1]}: some {tries} to judge")

    def judge(release: str) -> tuple[bool, str] | None:
        name, *rest = env.requirements
        wanted = (f"{name}=={release}", *rest)
        one = Environment(f"{env.backend} {release}", env.backend, wanted, env.variables)
        try:
            told = _verdict(one, prepare(one, home), home, options)
        except CommandError as error:
            print(f"{release}: cannot be judged: {error}", file=sys.stderr)
            return None
        print(f"{release}: {told[1]}", flush=True)
        return told

    last, first, passed = bisected(releases, judge)
    print(f"\n{options.what} changes between {last} and {first}")
    if passed:
        print(f"not judged, and between them: {', '.join(passed)}")
    return Exit.UNKNOWN if passed else Exit.CONFORMS


def _environment(options: Namespace) -> Environment:
    """The engine's environment, its package without a version first."""
    known = shipped().get(options.backend)
    wanted = known.requirements if known is not None else ()
    package = options.package or (re.split(r"[=<>!~ ]", wanted[0])[0] if wanted else "")
    if not package:
        raise CommandError(f"--backend {options.backend}: which package is it? Say so by --package NAME")
    also = (*wanted[1:], *options.also)
    return Environment(options.backend, options.backend, (package, *also), known.variables if known else {})


def _releases(package: str, options: Namespace) -> list[str]:
    if options.releases:
        return [text.strip() for text in options.releases.split(",")]
    name = package.split("[")[0]
    command = [sys.executable, "-m", "pip", "index", "versions", name, "--disable-pip-version-check"]
    done = subprocess.run(command, capture_output=True, text=True)
    found = re.search(r"Available versions: (.*)", done.stdout)
    if done.returncode or found is None:
        raise CommandError(f"pip knows no releases of {name}: name them by --releases V,...")
    return found[1].split(", ")


def between(releases: Sequence[str], good: str, bad: str) -> list[str]:
    """The releases from the good one to the bad one, in this order; raises CommandError for versions that are none."""
    try:
        ends = Version(good), Version(bad)
        known = {Version(text): text for text in releases} | {Version(text): text for text in (good, bad)}
    except InvalidVersion as error:
        raise CommandError(f"--good {good} --bad {bad}: {error}") from error
    if ends[0] == ends[1]:
        raise CommandError(f"--good {good} --bad {bad}: is one release; name two")
    inside = [v for v in known if min(ends) <= v <= max(ends) and (not v.is_prerelease or v in ends)]
    return [known[v] for v in sorted(inside, reverse=ends[0] > ends[1])]


def bisected(releases: Sequence[str], judge: Judge) -> tuple[str, str, list[str]]:
    """The last release that is good, the next one that is bad, and those between that cannot be judged.

    Raises CommandError where the first is not good, or the last not bad.
    """
    for release, wanted in ((releases[0], False), (releases[-1], True)):
        told = judge(release)
        if told is None or told[0] is not wanted:
            how = "cannot be judged" if told is None else f"is not {'bad' if wanted else 'good'}: {told[1]}"
            raise CommandError(f"{release} {how}; name other releases by --good and --bad")
    low, high, passed = 0, len(releases) - 1, set[int]()
    while open_ := [k for k in range(low + 1, high) if k not in passed]:
        middle = min(open_, key=lambda k: abs(2 * k - low - high))
        told = judge(releases[middle])
        if told is None:
            passed.add(middle)
        elif told[0]:
            high = middle
        else:
            low = middle
    return releases[low], releases[high], [releases[k] for k in sorted(passed) if low < k < high]


def _verdict(env: Environment, python: Path, home: Path, options: Namespace) -> tuple[bool, str]:
    """Whether a release breaks the law; raises CommandError where that cannot be told.

    The list of known failures is there to keep breaches of other laws apart: what it excuses of this one is broken.
    """
    with TemporaryDirectory(prefix="gradlaws-") as folder:
        record = Path(folder, "record.jsonl")
        command = [str(python), "-m", "gradlaws"]
        replayed = options.what.count("-") > 1
        if replayed:
            given = ["--record", str(options.record.resolve()), "--backend", env.backend]
            command += ["replay", options.what, *given]
        else:
            command += ["run", "--backend", env.backend, "--laws", options.what, "--level", "torch"]
            command += ["--record", str(record), "--workers", "1"]
            command += ["--max-examples", str(options.max_examples), "--seed", str(options.seed)]
        done = subprocess.run(command, env=variables(env, home), capture_output=True, text=True)
        said = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()] or [""]
        if replayed and done.returncode in (Exit.CONFORMS, Exit.FAILS, -6, -11):
            return done.returncode != Exit.CONFORMS, said[0]
        if replayed or not record.exists():
            raise CommandError(said[-1])
        found = load(record, partial=True).results
        verdicts = {result.verdict for result in found}
        if not verdicts or verdicts & {Verdict.UNKNOWN, Verdict.UNSUPPORTED}:
            raise CommandError(f"{options.what} is {', '.join(verdicts) or 'not judged'}")
        first = next((r for r in found if r.verdict in BROKEN), found[0])
        return first.verdict in BROKEN, f"{first.verdict} {first.message}".strip()
