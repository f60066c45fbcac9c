"""The `colorjax` command: it runs a subcommand and prints a user error as one line."""

import argparse
import sys

from colorjax import runtime
from colorjax.apps import convert, info, pack, scripts
from colorjax.apps.colorize import command as colorize
from colorjax.apps.doctor import command as doctor
from colorjax.apps.export import command as export
from colorjax.apps.serve import command as serve
from colorjax.apps.video import command as video

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


def main(argv: list[str] | None = None) -> int:
    """Run `colorjax SUBCOMMAND ...` and return the exit code: 2 after a user error."""
    parser = argparse.ArgumentParser(prog="colorjax", description="Colorize pictures.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, module in COMMANDS.items():
        command = commands.add_parser(name, help=str(module.__doc__).splitlines()[0])
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    for name, summary in scripts.SUMMARIES.items():
        commands.add_parser(name, help=summary)
    argv = sys.argv[1:] if argv is None else argv
    if argv and argv[0] in scripts.SUMMARIES:  # its flags are absl's, not argparse's
        return scripts.run(*argv)
    args = parser.parse_args(argv)
    runtime.configure_malloc()
    return runtime.run_main("colorjax", lambda: args.run(args))


if __name__ == "__main__":
    sys.exit(main())
