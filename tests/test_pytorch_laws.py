"""Laws about PyTorch's own API: they hold on it, fail where it is altered, and what it breaks can be kept."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from gradlaws.conformance.adapters.reference import ReferenceBackend
from gradlaws.conformance.engines.api_parts import part
from gradlaws.conformance.faults import FAULTS
from gradlaws.conformance.faults.pytorch.alteration import MENDED
from gradlaws.conformance.judgement.effort import Effort
from gradlaws.conformance.judgement.judge import judge
from gradlaws.conformance.judgement.verdict import Verdict
from gradlaws.conformance.known_failures.matching import KnownFailures
from gradlaws.conformance.laws import LAWS, PORTABLE

torch = pytest.importorskip("torch")

from gradlaws.conformance.adapters.torch import TorchBackend  # noqa: E402 - imports torch

OWN = [law for law in LAWS if law not in PORTABLE]


@pytest.mark.parametrize("law", [law for law in OWN if law not in MENDED])
def test_pytorch_keeps_the_law(law: str) -> None:
    result = judge(LAWS[law], TorchBackend(), Effort(60), KnownFailures())
    assert result.verdict is Verdict.PASS, result.message


@pytest.mark.parametrize("law", MENDED)
def test_a_law_that_pytorch_breaks_can_be_kept(law: str) -> None:
    result = judge(LAWS[law], MENDED[law](), Effort(60), KnownFailures())
    assert result.verdict is Verdict.PASS, result.message


@pytest.mark.parametrize("law", MENDED)
def test_what_pytorch_breaks_is_listed_with_a_script(law: str) -> None:
    result = judge(LAWS[law], TorchBackend(), Effort(100))
    assert result.verdict is Verdict.KNOWN, result.message


def test_they_are_asked_of_pytorch_alone() -> None:
    for law in OWN:
        assert LAWS[law].level == "torch"
        assert judge(LAWS[law], ReferenceBackend(), Effort(1)).verdict is Verdict.UNSUPPORTED


def test_alterations_are_undone() -> None:
    before = [vars(torch.Tensor).get("grad"), vars(torch.Tensor).get("backward"), torch.autograd.backward]
    for name in ("every-reader-gets-a-copy", "graphs-are-retained"):
        with FAULTS[name].make().session():
            pass
    assert before == [
        vars(torch.Tensor).get("grad"),
        vars(torch.Tensor).get("backward"),
        torch.autograd.backward,
    ]
    assert before[0] is None


#: What stands for the module of a release.
RELEASE = SimpleNamespace(__name__="torch", __version__="2.8.0+cpu", Tensor=torch.Tensor)


@pytest.mark.parametrize(
    ("name", "there"),
    [
        ("torch.Tensor.grad", True),
        ("torch.Tensor.gradients", False),
        ("torch>=2.8", True),
        ("torch>=2.9", False),
        ("torch", False),
        ("numpy>=1", False),
        ("numpy.array", False),
        ("exp", False),
    ],
)
def test_what_a_release_lacks_is_not_asked_for(name: str, there: bool) -> None:
    assert part(RELEASE, name) is there
