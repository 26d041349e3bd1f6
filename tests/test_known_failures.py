"""Lists of known failures: the shipped one is true today, conditions and days count, the tool writes them."""

from __future__ import annotations

import warnings
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from overwriting_engine import Overwriting
from small_records import PASSING, Engine, lines, program, result

from gradlaws.conformance.adapters.reference import ReferenceBackend
from gradlaws.conformance.faults import FAULTS
from gradlaws.conformance.judgement.effort import Effort
from gradlaws.conformance.judgement.judge import judge
from gradlaws.conformance.judgement.verdict import Verdict
from gradlaws.conformance.known_failures.entry import Known, KnownFailuresError
from gradlaws.conformance.known_failures.matching import KnownFailures, covers
from gradlaws.conformance.known_failures.toml_parser import load, parsed, shipped
from gradlaws.conformance.laws import LAWS
from gradlaws.conformance.laws.whole_program_laws import PROMISES, promise
from gradlaws.conformance.whole_programs.run_item import judge_whole
from gradlaws.reports.known_failures_writer import added
from gradlaws.reports.markdown import markdown
from gradlaws.reports.record import parsed as read_lines
from gradlaws.reports.record_difference import as_text, compare
from gradlaws.reports.terminal import standing
from gradlaws.reports.view import views

ENTRIES = shipped("torch").entries


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.law)
def test_each_entry_reproduces_in_five_lines_where_its_bounds_say_so(entry: Known) -> None:
    """In whichever release is installed: in others the defect is not there."""
    installed = pytest.importorskip("torch").__version__
    assert promise(entry.law)[0]
    assert entry.link.startswith("https://")
    assert len(entry.script.strip().splitlines()) <= 5
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert entry.reproduces() is entry.admits(installed), f"{entry.law} in {installed}: {entry.reason}"


def test_a_script_that_is_refused_or_passes_shows_nothing() -> None:
    for script, shows in (("raise RuntimeError", False), ("pass", False), ("assert False", True), ("", None)):
        assert Known("ACC-01", "so", "https://x.y", script=script).reproduces() is shows


# -- conditions, days and what is stale -----------------------------------------------------------------------


def known(reason: str = "by design", **more: object) -> Known:
    return Known("ACC-01", reason, "https://x.y", **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("entry", "covered"),
    [
        (known(), True),
        (known(ops=frozenset({"exp"})), True),
        (known(ops=frozenset({"sqrt"})), False),
        (known(dtypes=frozenset({"float64"})), True),
        (known(dtypes=frozenset({"float32"})), False),
        (known(ops=frozenset({"exp"}), modes=frozenset({"no_grad"})), False),
        (known(until=date.today()), True),
        (known(until=date.today() - timedelta(days=1)), False),
    ],
)
def test_conditions_decide_which_programs_are_excused(entry: Known, covered: bool) -> None:
    assert covers(entry, program("exp")) is covered


def verdict(backend: ReferenceBackend, *entries: Known) -> tuple[Verdict, str]:
    made = judge(LAWS["ACC-01"], backend, Effort(20, shrink=0.0), KnownFailures(entries))
    return made.verdict, made.message


class Released(Overwriting):
    """An engine that overwrites, of some release."""

    def __init__(self, version: str) -> None:
        super().__init__()
        self._version = version

    def version(self) -> str:
        return self._version


def test_an_entry_counts_while_it_is_true_and_its_day_lasts() -> None:
    broken, sound = FAULTS["overwrites"].make(), ReferenceBackend()
    assert verdict(broken, known())[0] is Verdict.KNOWN
    assert verdict(sound, known())[0] is Verdict.STALE
    over = known(until=date(2020, 1, 31))
    assert verdict(broken, over)[0] is Verdict.FAIL
    assert "excuses nothing after 2020-01-31" in verdict(broken, over)[1]
    assert verdict(broken, known(), known(script="pass"))[0] is Verdict.STALE  # one of two is gone


def test_an_entry_may_be_about_adapters_with_some_capability_only() -> None:
    broken = FAULTS["overwrites"].make()
    assert verdict(broken, known(capabilities=frozenset({"retain_graph"})))[0] is Verdict.KNOWN
    assert verdict(broken, known(capabilities=frozenset({"no such"})))[0] is Verdict.FAIL


def test_an_entry_may_be_about_some_releases_only() -> None:
    old = known(versions="<0.14")
    assert [old.admits(version) for version in ("0.13.0", "0.14.0", "0.14.0rc1", "0.13.2+cpu")] == [
        1,
        0,
        0,
        1,
    ]
    assert not old.admits("unknown"), "what nobody can tell excuses nothing"
    assert known().admits("unknown")
    assert verdict(Released("0.13.0"), old)[0] is Verdict.KNOWN
    assert verdict(Released("0.14.0"), old)[0] is Verdict.FAIL
    text = "[[known]]\nlaw = 'ACC-01'\nreason = 'so'\nlink = 'x'\nbroad = 'a test'\nversions = "
    assert parsed(text + "'>=0.13,<0.14'", "file").entries[0].versions == ">=0.13,<0.14"
    with pytest.raises(KnownFailuresError, match=r"must be a specifier such as '<0.14'"):
        parsed(text + "'0.13'", "file")


def test_what_is_inherited_excuses_where_it_shows_and_need_not() -> None:
    broken, sound = FAULTS["overwrites"].make(), ReferenceBackend()
    assert verdict(broken, known(inherited=True))[0] is Verdict.KNOWN
    assert verdict(sound, known(inherited=True))[0] is Verdict.PASS
    assert verdict(sound, known(inherited=True, script="assert False"))[0] is Verdict.PASS


def test_a_list_may_inherit_a_shipped_one() -> None:
    own = "inherits = 'torch'\n[[known]]\nlaw = 'ACC-01'\nreason = 'so'\nlink = 'x'\nbroad = 'a test'\n"
    first, *rest = parsed(own, "file").entries
    assert (first.law, first.inherited) == ("ACC-01", False)
    assert rest == [replace(entry, inherited=True) for entry in ENTRIES]
    for engine in ("torch-compile-eager", "torch-compile-aot", "torch-compile-inductor"):
        assert set(rest) <= set(shipped(engine).entries)
    for value in ("'torhc'", "['torch']", "3"):
        with pytest.raises(
            KnownFailuresError, match=r"inherits .*: no list of this name is shipped; there are"
        ):
            parsed(f"inherits = {value}", "file")


def test_results_say_how_many_programs_each_entry_excused() -> None:
    one, other = known(ops=frozenset({"mul"})), known(reason="at last")
    made = judge(LAWS["ACC-01"], Overwriting(), Effort(20, shrink=0.0), KnownFailures([one, other]))
    assert set(made.entries) <= {one.label, other.label}
    assert 0 < sum(made.entries.values()) <= made.programs
    (view,) = views([read_lines(lines(PASSING | {"ACC-01": made}, Engine("reference")))])
    assert view.excused[other.label] == (made.entries[other.label], ["ACC-01"])
    assert list(view.excused) == sorted(made.entries, key=lambda label: (-made.entries[label], label))
    assert f"excused by the list: {sum(made.entries.values())} programs: ACC-01 " in "\n".join(standing(view))
    assert f"of ACC-01: {other.label}" in markdown([view])


def test_a_defect_that_breaks_several_laws_is_one_entry() -> None:
    broken, effort = FAULTS["overwrites"].make(), Effort(20, shrink=0.0)
    entry = Known("ACC-02", "so", "https://x.y", script="assert False", also=frozenset({"ACC-01"}))
    for law in ("ACC-01", "ACC-02"):
        assert judge(LAWS[law], broken, effort, KnownFailures([entry])).verdict is Verdict.KNOWN
    assert KnownFailures([entry]).laws == {"ACC-01", "ACC-02"}
    text = "[[known]]\nlaw = 'ACC-02'\nreason = 'so'\nlink = 'x'\nbroad = 'a test'\nalso = ['ACC-01']\n"
    assert parsed(text + "script = 'assert False'", "file").entries[0].also == {"ACC-01"}
    with pytest.raises(KnownFailuresError, match="`also` needs a `script`"):
        parsed(text, "file")


def test_an_op_that_breaks_whatever_is_drawn_with_it_is_one_entry() -> None:
    broken, effort = FAULTS["overwrites"].make(), Effort(20, shrink=0.0)
    entry = Known(
        "VAL-02", "so", "https://x.y", frozenset({"sum"}), script="assert False", also=frozenset({"*"})
    )
    known = KnownFailures([entry])
    assert known.excuse("ACC-01", program("sum")) is entry
    assert known.excuse("ACC-01", program("exp")) is None
    assert known.of("ACC-01") == []  # what it does not draw passes
    assert judge(LAWS["LEAF-01"], broken, effort, known).verdict is Verdict.PASS
    text = "[[known]]\nlaw = 'ACC-02'\nreason = 'so'\nlink = 'x'\nalso = ['*']\nscript = 'assert False'\n"
    with pytest.raises(KnownFailuresError, match="only where `ops` are named"):
        parsed(text, "file")


def test_a_rare_defect_that_its_script_shows_is_not_stale() -> None:
    sound = ReferenceBackend()
    assert verdict(sound, known(script="assert False, 'still there'"))[0] is Verdict.KNOWN
    assert verdict(sound, known(script="assert True, 'gone'"))[0] is Verdict.STALE
    assert verdict(sound, known(script="assert False, 'one'"), known())[0] is Verdict.KNOWN


def test_what_only_whole_programs_judge_becomes_stale_too() -> None:
    alone = next(law for law in PROMISES if law not in LAWS)
    for script, verdict in (("pass", Verdict.STALE), ("assert False", Verdict.PASS)):
        entry = Known(alone, "so", "https://x.y", script=script)
        made = judge_whole(ReferenceBackend(), Effort(5, shrink=0.0), KnownFailures([entry]))
        assert made.verdict is verdict
        assert made.message.startswith(f"{alone}: listed") is (verdict is Verdict.STALE)


def test_a_comparison_shows_another_reason_and_another_extent() -> None:
    listed, of_two = result("ACC-01", "KNOWN", "toy"), result("ACC-02", "KNOWN", "toy")
    old = views([read_lines(lines(PASSING | {"ACC-01": listed, "ACC-02": of_two}))])
    listed.known, listed.entries, of_two.entries = "at last (https://x.y)", {"one": 1}, {"two": 1}
    new = views([read_lines(lines(PASSING | {"ACC-01": listed, "ACC-02": of_two}))])
    listed.entries = of_two.entries = {"one": 1}
    more = views([read_lines(lines(PASSING | {"ACC-01": listed, "ACC-02": of_two}))])
    assert "ACC-01 is KNOWN for another reason: by design" in "\n".join(as_text(compare(old, new)))
    assert "another extent of one: programs of ACC-01, now of ACC-01, ACC-02" in "\n".join(
        as_text(compare(new, more))
    )


class Raising(ReferenceBackend):
    name = "raising"

    def retain_grad(self, x: object) -> None:
        raise ValueError("not today")


def test_whatever_is_wrong_can_be_listed() -> None:
    law, effort = LAWS["RET-01"], Effort(20, shrink=0.0)
    assert judge(law, Raising(), effort, KnownFailures()).verdict is not Verdict.PASS
    entry = Known("RET-01", "not done yet", "https://x.y")
    assert judge(law, Raising(), effort, KnownFailures([entry])).verdict is Verdict.KNOWN


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("until = '2027-01-31'", "must be a date without quotes, such as 2027-01-31"),
        ("until = 2027-01-31T10:00:00", "must be a date"),
        ("ops = [1]", "ops must be a list of names"),
        ('ops = ["reshap"]', "ops: no program has 'reshap'; there is reshape"),
        ('ops = ["!!!"]', "ops: no program has '!!!'$"),
        ('modes = ["inference"]', "there is enable_grad, no_grad"),
        ('steps = ["Backwards"]', "no program has 'Backwards'; there is Backward"),
        ("capability = ['x']", "unknown key 'capability'"),
    ],
)
def test_conditions_are_checked(text: str, word: str) -> None:
    with pytest.raises(KnownFailuresError, match=word):
        parsed(f"[[known]]\nlaw = 'ACC-01'\nreason = 'so'\nlink = 'x'\n{text}", "file")


# -- writing --------------------------------------------------------------------------------------------------


def test_a_list_is_written_below_what_a_person_wrote(tmp_path: Path) -> None:
    mine = (
        '# my words,  as I like them\n[[known]]\nlaw=\'ACC-01\' # yes\nreason="""so"""\nlink=\'https://x.y\'\n'
        "broad='by design'\n"
    )
    odd = result("VAL-11", "FAIL", "toy", ops=("exp",))
    odd.message = 'a "quoted" \\ and \x07 \n [[known]] thing'
    broken = PASSING | {"ACC-01": "FAIL", "VAL-11": odd, "ROOT-09": "KNOWN", "DET-01": "ERROR"}
    (view,) = views([read_lines(lines(broken))])
    text, laws = added(mine, view, parsed(mine, "mine"))
    assert text.startswith(mine)
    assert laws == ["DET-01", "ROOT-09", "VAL-11"]
    path = tmp_path / "known.toml"
    path.write_text(text)
    with pytest.raises(KnownFailuresError, match="DET-01: `reason` is missing"):
        load(path, LAWS)
    entries = {entry.law: entry for entry in load(path, LAWS, complete=False).entries}
    assert (entries["ROOT-09"].reason, entries["ROOT-09"].link) == ("by design", "https://example.org/1")
    assert added(text, view, load(path, LAWS, complete=False)) == (text, [])


def test_what_is_blamed_is_listed_where_it_fails_itself() -> None:
    broken = PASSING | {
        "NONE-03": "FAIL",
        "ZERO-05": result("ZERO-05", "FAIL", "toy", "NONE-03"),
        "DET-01": result("DET-01", "FAIL", "toy", "VAL-01"),
    }
    (view,) = views([read_lines(lines(broken))])
    assert added("", view, KnownFailures())[1] == ["DET-01", "NONE-03"]


def test_what_whole_programs_break_is_listed_under_the_law_that_they_break() -> None:
    broken = PASSING | {"WHOLE-01": result("WHOLE-01", "FAIL", "toy", "HOOK-13")}
    (view,) = views([read_lines(lines(broken))])
    assert added("", view, KnownFailures(), "so", "https://x.y")[1] == ["HOOK-13"]
    (error,) = views(
        [read_lines(lines(PASSING | {"WHOLE-01": result("WHOLE-01", "ERROR", "toy", "ENGINE")}))]
    )
    assert error.causes[0].law == "WHOLE-01"
    assert added("", error, KnownFailures()) == ("", [])


@pytest.mark.parametrize("source", ["import math\nassert math.pi == 3", "x = '''3'''\nassert not x\n# \x07"])
def test_the_script_of_a_finding_keeps_its_entry_from_being_stale(source: str) -> None:
    shown = result("ACC-01", "FAIL", "toy", ops=("exp",))
    assert shown.finding is not None
    shown.finding.script = source
    (view,) = views([read_lines(lines(PASSING | {"ACC-01": shown}))])
    (entry,) = parsed(added("", view, KnownFailures(), "so", "https://x.y")[0], "written").entries
    assert entry.script.strip() == source
    assert entry.reproduces()
