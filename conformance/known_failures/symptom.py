"""What a breach looks like: which of a few things was seen, of which tensor, after which step."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from gradlaws.conformance.language.steps import Var

#: What entries may name under `seen`, and what it means.
SEEN: dict[str, str] = {
    "no gradient": "a gradient is None, or a result of autograd.grad is, where one is expected",
    "unexpected gradient": "a gradient is there where None is expected",
    "zeros": "zeros where None or other numbers are expected",
    "zeros for None": "zeros where None is expected",
    "nan": "NaN where other numbers are expected",
    "numbers": "other numbers than expected, and neither of these",
    "rounding": "other numbers than expected, by no more than rounding makes of them",
    "shape": "another shape",
    "fewer dimensions": "another shape, of fewer dimensions",
    "more dimensions": "another shape, of more dimensions",
    "other sizes": "another shape, of as many dimensions",
    "dtype": "another dtype",
    "shared": "memory is shared that must not be",
    "apart": "memory is not shared that must be",
    "refused": "an error where there must be none",
    "accepted": "no error where there must be one",
    "not called": "a hook was not called",
    "called": "a hook was called that must stay silent",
    "called otherwise": "a hook was called with another gradient, another number of times, or in another order",
    "crashed": "the process died",
    "hung": "the step did not end",
    "other": "anything else, as which object is which",
}
#: What is one case of something wider: an entry that names that covers it, too.
WIDER = {
    "zeros for None": "zeros",
    "rounding": "numbers",
    "fewer dimensions": "shape",
    "more dimensions": "shape",
    "other sizes": "shape",
}
_FLAGS = ("requires_grad", "is_leaf", "retains_grad", "grad.requires_grad")
SEEN |= {f"{flag} {value}": f"{flag} is {value}" for flag in _FLAGS for value in (True, False)}

_VARIABLE = re.compile(r"\bv(\d+)\b")
_QUOTED = re.compile(r"`[^`]*`")
_ZEROS = r"[\[\]\s,.0+\-je]*0[\[\]\s,.0+\-je]*( \(\w+\))?"
_EMPTY = r"[\[\]\s,]+( \(\w+\))?"  # all of whose elements are zeros
_DTYPE = re.compile(r" \((\w+)\)$")


@dataclass(frozen=True)
class Symptom:
    """One breach as it was seen.

    seen:  one of `SEEN`; empty where it is not known.
    var:   the tensor, where it is about one.
    index: the step after which it was seen; None for the end of the program.
    thing: what was looked at, in the words of the finding.
    """

    seen: str = ""
    var: Var | None = None
    index: int | None = None
    thing: str = ""

    def among(self, named: Collection[str]) -> bool:
        """Whether it is one of these, or a case of one."""
        return self.seen in named or WIDER.get(self.seen) in named


def symptom(thing: str, got: str, expected: str, index: int | None = None) -> Symptom:
    """A breach as it was seen, from the words in which it is told: what was looked at, came, and was expected."""
    found = _VARIABLE.search(_QUOTED.sub("", thing))
    return Symptom(_kind(thing, got, expected), int(found[1]) if found else None, index, thing)


def _kind(thing: str, got: str, expected: str) -> str:
    if thing == "the process":
        return "hung" if got == "endless" else "crashed"
    if expected.startswith("no error"):
        return "hung" if "Endless" in got else "refused"
    if got == "accepted":
        return "accepted"
    if thing.startswith("the memory of"):
        return "apart" if got == "its own" else "shared"
    if thing.startswith(("hook ", "the order of the hooks")):
        silent = [said.endswith("nothing: none") for said in (got, expected)]
        return "not called" if silent[0] else "called" if silent[1] else "called otherwise"
    if thing.endswith(".grad is None`"):
        return "no gradient" if got == "True" else "unexpected gradient"
    if got in ("True", "False"):
        flag = next((f for f in reversed(_FLAGS) if thing.endswith(f".{f}")), "")
        return f"{flag} {got}" if flag else "other"
    if thing.endswith(".shape"):
        if got == "None":
            return "no gradient"
        return _dimensions(*(len(re.findall(r"\d+", shape)) for shape in (got, expected)))
    if thing.endswith(".dtype"):
        return "dtype"
    return _numbers(got, expected)


def _numbers(got: str, expected: str) -> str:
    if "None" in (got, expected) and not re.fullmatch(f"{_ZEROS}|{_EMPTY}", got):
        return "no gradient" if got == "None" else "unexpected gradient"
    if expected == "None":
        return "zeros for None"
    dtypes, (a, b) = (
        [_DTYPE.findall(x) for x in (got, expected)],
        (_DTYPE.sub("", x) for x in (got, expected)),
    )
    if not all(re.fullmatch(r"[\[\]\s,.\d+\-a-z]*", x) and re.search(r"[\d\]n]", x) for x in (a, b)):
        return "other"
    if re.sub(r"[^\[\],]", "", a) != re.sub(r"[^\[\],]", "", b):
        return _dimensions(*(len(x) - len(x.lstrip("[")) for x in (a, b)))
    if len(_tokens(a)) != len(_tokens(b)):
        return "other sizes"
    if dtypes[0] != dtypes[1]:
        return "dtype"
    if "nan" in a and ("nan" not in b or _spread(a, b)):
        return "nan"
    if re.fullmatch(_ZEROS, a):
        return "zeros"
    return "rounding" if _near(a, b, "float32" in dtypes[0]) else "numbers"


def _dimensions(got: int, expected: int) -> str:
    return "fewer dimensions" if got < expected else "more dimensions" if got > expected else "other sizes"


def _tokens(text: str) -> list[str]:
    """The numbers in the text of an array, as they are written."""
    return re.findall(r"[^\[\],\s]+", text)


def _spread(a: str, b: str) -> bool:
    """Whether NaN is shown where another number is expected."""
    found, wanted = map(_tokens, (a, b))
    return len(found) == len(wanted) and any(
        x == "nan" and y != "nan" for x, y in zip(found, wanted, strict=True)
    )


def _near(a: str, b: str, single: bool) -> bool:
    """Whether numbers as they are shown differ by rounding only, in single precision or else in double."""
    try:
        found, wanted = ([float(x) for x in _tokens(text)] for text in (a, b))
    except ValueError:
        return False  # complex numbers, or some that are left out
    most = (1e-6 if single else 1e-10) * max(1.0, *map(abs, wanted), 0.0)
    return len(found) == len(wanted) and all(
        x == y or abs(x - y) <= most for x, y in zip(found, wanted, strict=True)
    )
