"""Reads the command line and hands over to a subcommand."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn

from gradlaws.commands import CommandError
from gradlaws.commands.guarded_process import supervised
from gradlaws.conformance.engines.exceptions import plain
from gradlaws.reports.exit_codes import Exit
from gradlaws.reports.output_paths import OutputPathError
from gradlaws.reports.record_file import RecordError

CODES = """\
exit codes: 0 conforms, 1 does not, 2 unknown or incomplete, 3 the suite broke, 4 wrong usage or input"""


#: Subcommands, in the order in which people need them, with what each does. Dashes become underscores in modules.
COMMANDS = {
    "smoke": "look at an adapter step by step, then judge every law on a few programs",
    "run": "judge an engine by all laws, and write the record",
    "replay": "run just the program that an earlier failure was reported with",
    "report": "render a record, or several side by side, and decide on a release",
    "diff": "compare two records law by law",
    "history": "tell what changed over the records of many releases, as text and as a static site",
    "bisect": "say between which releases of an engine a law, or a failing program, changed its verdict",
    "reach": "say how far the programs of a record or a soak have reached, and what they have not",
    "merge": "join the records of a run that was split over several machines",
    "known-failures": "write a list of known failures from a record, or check one",
    "soak": "run random whole programs until the time is up, and tell each finding once",
    "engines": "judge a set of engines, each in its own virtual environment, and show a table of all",
    "serve": "serve an adapter to a runner in another process (--backend exec:...)",
    "zoo": "hunt bugs modelled on those of real engines, and write a page of what is detected",
    "laws": "list the laws, or show one with its source",
    "sentences": "list the sentences of the installed PyTorch's docstrings that no law cites",
}


class Parser(argparse.ArgumentParser):
    """An argument parser that ends with exit code 4 for wrong usage, as pytest does."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, and where help is."""
        self.exit(Exit.USAGE, f"error: {message}\n       `{self.prog} --help` shows an example\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a subcommand; its exit code. Without arguments: that of the process, supervised by it."""
    if arguments is None:
        return supervised(lambda: main(sys.argv[1:]))
    given = list(arguments)
    parser = _overview()
    if not given or given[0] in ("-h", "--help"):
        parser.print_help()
        return Exit.CONFORMS
    name = parser.parse_args(given[:1]).command
    module = import_module(f"gradlaws.commands.{name.replace('-', '_')}")
    inner = Parser(
        prog=f"gradlaws {name}",
        description=module.__doc__,
        epilog=f"example:\n{_indented(module.EXAMPLE)}\n\n{CODES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    module.options(inner)
    try:
        return int(module.execute(inner.parse_args(given[1:])))
    except (CommandError, OutputPathError, RecordError) as error:
        print(f"error: {plain(str(error))}", file=sys.stderr)
        return Exit.USAGE
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return Exit.UNKNOWN
    except BrokenPipeError:  # `gradlaws laws | head`
        sys.stderr.close()
        return Exit.CONFORMS


def _overview() -> Parser:
    from gradlaws import __version__

    width = max(map(len, COMMANDS))
    listed = "\n".join(f"{name.ljust(width)}  {what}" for name, what in COMMANDS.items())
    parser = Parser(
        prog="gradlaws",
        description="Judges gradient access (.grad) of autograd engines by documented laws.",
        epilog=f"commands:\n{_indented(listed)}\n\n`gradlaws COMMAND --help` shows options and an example.\n\n"
        f"example:\n  gradlaws run --backend torch --profile smoke\n\n{CODES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"gradlaws {__version__}")
    parser.add_argument("command", choices=tuple(COMMANDS), metavar="COMMAND", help="what to do; see below")
    return parser


def _indented(text: str) -> str:
    return "\n".join("  " + line for line in text.strip().splitlines())
