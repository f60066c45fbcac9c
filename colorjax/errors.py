"""The exception for a user's mistake, `UserError`, and text for its message:
`printable`, `reason`, `counted`, `install_hint`."""


class UserError(Exception):
    """A mistake in a command, a config or a file; the message says how to mend it.

    The entry points print the message without a traceback and exit with code 2. Any
    other exception is a defect of colorjax and keeps its traceback. Characters that
    cannot be printed, which a file name may contain, are escaped.
    """

    def __init__(self, message: object):
        lines = str(message).split("\n")
        super().__init__("\n".join(printable(line) for line in lines))


def printable(text: str) -> str:
    """Escape control characters and bytes that are not UTF-8."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def reason(error: BaseException) -> str:
    """The first line of an exception's message, 300 characters at most; if it is
    empty, the name of the exception's class."""
    line = next(iter(str(error).splitlines()), "")
    return printable(line)[:300] or type(error).__name__


def counted(number: int, noun: str) -> str:
    """A number and its noun, which is plural unless the number is 1: "2 pictures"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def install_hint(extra: str) -> str:
    """The command that installs colorjax with an extra. No package index has it."""
    return f'pip install -e ".[{extra}]" in the repository of colorjax'
