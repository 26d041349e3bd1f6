"""Wrong options and wrong lists: one clear message, exit code 4."""

from __future__ import annotations

from collections.abc import Callable

import pytest

Suite = Callable[..., pytest.RunResult]
USAGE = pytest.ExitCode.USAGE_ERROR


@pytest.mark.parametrize(
    ("args", "word"),
    [
        (["--backend", "reference", "--backend", "reference"], "given twice"),
        (
            [
                "--backend",
                "gradlaws.conformance.adapters.reference:ReferenceBackend",
                "--backend",
                "reference",
            ],
            "are both named 'reference'",
        ),
        (["--level", "best"], "invalid choice"),
        (["--max-examples", "0"], "'0' is not a whole number above 0"),
        (["--seed", "many"], "invalid int"),
        (["--replay", "ACC-01-00000000"], "no failure is remembered under this id"),
        (["--replay", "ACC-01-00000000", "--seed", "3"], "--seed can have no effect"),
        (["--known-failures", "nowhere.toml"], "nowhere.toml: No such file"),
        (["--record", "/proc/nowhere/record.jsonl"], "record /proc/nowhere/record.jsonl"),
    ],
)
def test_wrong_options_get_one_clear_message(suite: Suite, args: list[str], word: str) -> None:
    result = suite(*([] if args[0] == "--backend" else ["--backend", "reference"]), *args)
    assert result.ret == USAGE
    said = result.stderr.str() + result.stdout.str()
    assert word in said
    assert "Traceback" not in said


def test_pytest_is_not_misled_by_the_value_of_an_option(
    suite: Suite, pytester: pytest.Pytester, tmp_path_factory: pytest.TempPathFactory
) -> None:
    pytester.makeini("[pytest]")
    record = tmp_path_factory.mktemp("elsewhere") / "record.jsonl"
    record.write_text("")
    result = suite("--backend", "reference", "--record", str(record))
    assert result.ret == USAGE
    result.stderr.fnmatch_lines([f"ERROR: *; write --record={record} in one word"])


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("known = 3", "must be a list"),
        ("[[known]]\nlaw = 'ACC-01'\nreason = 'so'", "`link` is missing"),
        ("[[known]]\nlaw = 'ACC-99'\nreason = 'so'\nlink = 'x'", "no such law: ACC-99"),
        ("[[known]]\nlaw = 'ACC-01'\nraeson = 'so'\nlink = 'x'", "unknown key 'raeson'"),
        ("not toml", "not TOML"),
    ],
)
def test_a_wrong_list_of_known_failures_gets_one_clear_message(
    suite: Suite, pytester: pytest.Pytester, text: str, word: str
) -> None:
    pytester.path.joinpath("known.toml").write_text(text)
    result = suite("--backend", "reference", "--known-failures", "known.toml")
    assert result.ret == USAGE
    assert word in result.stderr.str() + result.stdout.str()
