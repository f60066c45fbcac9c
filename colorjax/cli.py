"""The `colorjax` command: it runs a subcommand and prints a user error as one line."""

import argparse
import importlib.metadata
import sys
from typing import NoReturn

from colorjax import runtime
from colorjax.apps import convert, info, pack, scripts
from colorjax.apps.colorize import command as colorize
from colorjax.apps.doctor import command as doctor
from colorjax.apps.export import command as export
from colorjax.apps.serve import command as serve
from colorjax.apps.video import command as video
from colorjax.errors import UserError

COMMANDS = {
    "colorize": colorize,
    "convert": convert,
    "doctor": doctor,
    "export": export,
    "info": info,
    "pack": pack,
    "serve": serve,
    "video": video,
}


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, as all errors of commands are."""

    def error(self, message: str) -> NoReturn:
        """Raise `UserError`."""
        raise UserError(f"{message}; {self.prog} --help lists the options")


def main(argv: list[str] | None = None) -> int:
    """Run `colorjax SUBCOMMAND ...` and return the exit code: 2 after a user error.

    Without a subcommand, print the help.
    """
    argv = sys.argv[1:] if argv is None else argv
    if argv and argv[0] in scripts.SUMMARIES:  # its flags are absl's, not argparse's
        return scripts.run(*argv)
    runtime.configure_malloc()
    runtime.configure_xla()
    return runtime.run_main("colorjax", lambda: _run(argv))


def _run(argv: list[str]) -> int:
    parser = Parser(prog="colorjax", description="Colorize pictures.")
    version = f"colorjax {importlib.metadata.version('colorjax')}"
    parser.add_argument("--version", action="version", version=version)
    commands = parser.add_subparsers(metavar="COMMAND")
    for name, module in COMMANDS.items():
        command = commands.add_parser(name, help=str(module.__doc__).splitlines()[0])
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    for name, summary in scripts.SUMMARIES.items():
        commands.add_parser(name, help=summary)
    args = parser.parse_args(argv)
    if "run" not in args:
        parser.print_help()
        return 0
    return args.run(args)
