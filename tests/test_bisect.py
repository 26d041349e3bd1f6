"""`gradlaws bisect` with releases that are judged by a function, and the mistakes that it tells."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gradlaws.commands import CommandError
from gradlaws.commands.bisect import between, bisected

RELEASES = ["2.4.1", "2.5.0", "2.5.1", "2.6.0", "2.7.0", "2.7.1", "2.8.0"]


def judge(
    first_bad: str, without: tuple[str, ...] = ()
) -> tuple[Callable[[str], tuple[bool, str] | None], list[str]]:
    """A judge that finds the law broken from one release on, and what it has been asked for."""
    asked: list[str] = []

    def judged(release: str) -> tuple[bool, str] | None:
        asked.append(release)
        return None if release in without else (release >= first_bad, "as said")

    return judged, asked


@pytest.mark.parametrize("first", RELEASES[1:])
def test_the_release_is_found_with_few_tries(first: str) -> None:
    by, asked = judge(first)
    assert bisected(RELEASES, by) == (RELEASES[RELEASES.index(first) - 1], first, [])
    assert len(asked) <= 5
    assert len(asked) == len(set(asked)), "no release is installed twice"


def test_what_cannot_be_judged_is_passed_over_and_told() -> None:
    by, _ = judge("2.7.0", without=("2.6.0",))
    assert bisected(RELEASES, by) == ("2.5.1", "2.7.0", ["2.6.0"])
    by, _ = judge("2.5.0", without=("2.6.0", "2.7.0"))
    assert bisected(RELEASES, by) == ("2.4.1", "2.5.0", [])


@pytest.mark.parametrize(("first", "said"), [("2.4.1", "2.4.1 is not good"), ("2.9.0", "2.8.0 is not bad")])
def test_ends_that_are_not_as_said_are_refused(first: str, said: str) -> None:
    by, _ = judge(first)
    with pytest.raises(CommandError, match=said):
        bisected(RELEASES, by)


def test_the_releases_between_two_in_either_direction() -> None:
    known = ["2.10.0", "2.9.1", "2.9.0rc1", "2.9.0", "2.8.0", "2.4.1"]
    assert between(known, "2.8.0", "2.10.0") == ["2.8.0", "2.9.0", "2.9.1", "2.10.0"]
    assert between(known, "2.10.0", "2.9.0") == ["2.10.0", "2.9.1", "2.9.0"]
    assert between(known, "2.8.0", "2.9.0rc1") == ["2.8.0", "2.9.0rc1"], "an end may be one before a release"
    for ends in (("2.8.0", "2.8"), ("old", "new")):
        with pytest.raises(CommandError, match="--good"):
            between(known, *ends)
