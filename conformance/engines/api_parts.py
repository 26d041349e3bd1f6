"""Whether an engine's module has what a law names: a part of its API, as `torch.Tensor.grad_dtype`, or a release."""

from __future__ import annotations

from typing import Any


def part(module: Any, name: str) -> bool:
    """Whether `module` has the dotted name, or is of the release that a requirement (`torch>=2.9`) asks for.

    A Python that an adapter is served by may lack what reads requirements; laws with one are not asked there.
    """
    root, _, path = name.partition(".")
    if root.isidentifier():
        if root != module.__name__:
            return False
        found: Any = module
        for one in path.split("."):
            if not hasattr(found, one):
                return False
            found = getattr(found, one)
        return bool(path)
    try:
        from packaging.requirements import InvalidRequirement, Requirement
    except ImportError:
        return False
    try:
        wanted = Requirement(name)
    except InvalidRequirement:
        return False
    release = str(module.__version__).partition("+")[0]
    return wanted.name == module.__name__ and wanted.specifier.contains(release, prereleases=True)
