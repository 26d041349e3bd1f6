"""List the sentences of the installed PyTorch's docstrings that no law cites: what the next release promises anew.

Each sentence about gradient access is cited by a law, is no promise (advice, a reference), or is listed.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from gradlaws.commands import CommandError
from gradlaws.conformance.engines.discovery import BackendError, find
from gradlaws.reports.exit_codes import Exit
from gradlaws.reports.wording import plural

EXAMPLE = """
gradlaws sentences
gradlaws sentences torch.autograd.grad"""


def options(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "name",
        nargs="*",
        metavar="NAME",
        help="only what documents these names (default: all that are known)",
    )


def execute(options: Namespace) -> int:
    """Print the sentences, name by name."""
    from gradlaws.conformance.documented.sentences import cited, uncited

    known = cited()
    strange = [name for name in options.name if name not in known]
    if strange:
        raise CommandError(f"{strange[0]}: no sentence of it is cited; there are {', '.join(known)}")
    chosen = {name: known[name] for name in options.name or known}
    try:
        module = find("torch").engine  # type: ignore[attr-defined]
    except BackendError as error:
        raise CommandError(str(error)) from error
    listed = count = names = 0
    for name, open_ones, said in uncited(module, chosen):
        names, count, listed = names + 1, count + said, listed + len(open_ones)
        if open_ones:
            print(f"{name}:\n" + "\n".join(f"    {sentence}" for sentence in open_ones))
    counted = f"{plural(names, 'docstring')}, {plural(count, 'sentence')}, {listed} that no law cites"
    print(f"\nPyTorch {module.__version__}: {counted}")
    return Exit.CONFORMS
