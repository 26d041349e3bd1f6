"""The sentences of PyTorch's docstrings that no law cites."""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest

from gradlaws.commands.parser import main
from gradlaws.conformance.documented.sentences import cited, sentences, uncited
from gradlaws.conformance.laws import LAWS
from gradlaws.conformance.laws.whole_program_laws import PROMISES
from gradlaws.reports.exit_codes import Exit

TEXT = """backward(gradient=None) -> None

    The graph is differentiated using the :ref:`chain rule<chain>`. It has ``x.grad``, i.e. gradients
    of all. A number is 1.5 and no end.

    Args:
        inputs (Tensor): where the gradients go to.

    Example::

        >>> x = 1. Nothing of it.
    """
ALL = [
    "The graph is differentiated using the chain rule.",
    "It has x.grad, i.e. gradients of all.",
    "A number is 1.5 and no end.",
    "inputs (Tensor): where the gradients go to.",
]


def test_a_docstring_is_told_sentence_by_sentence() -> None:
    assert list(sentences(TEXT)) == ALL


def test_what_no_law_cites_is_listed() -> None:
    module = SimpleNamespace(grad=SimpleNamespace(__doc__=TEXT))
    known = {"torch.grad": {"The graph": "VAL-01", "inputs (": "ROOT-15"}, "torch.gone": {"So": "VAL-01"}}
    assert list(uncited(module, known)) == [("torch.grad", ALL[1:3], 4)]


def test_citations_are_of_laws() -> None:
    for name, begins in cited().items():
        for begin, laws in begins.items():
            if re.match(r"[A-Z]+-\d", laws):
                assert set(laws.split()) <= LAWS.keys() | PROMISES.keys(), f"{name}: {begin}"


def test_each_beginning_is_that_of_a_sentence() -> None:
    torch = pytest.importorskip("torch")
    if not torch.__version__.startswith("2.13."):
        pytest.skip("cited as in 2.13")
    for name, begins in cited().items():
        for begin in begins:
            ((_, listed, count),) = uncited(torch, {name: {begin: ""}})
            assert len(listed) < count, f"{name}: no sentence begins with {begin!r}"


def test_the_command_lists_them(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("torch")
    assert main(["sentences", "torch.autograd.graph.increment_version"]) == Exit.CONFORMS
    assert "1 docstring" in capsys.readouterr().out
    assert main(["sentences", "torch.nothing"]) == Exit.USAGE
