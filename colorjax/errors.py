"""The one exception that a user can cause: `UserError`, shown as a single line; and
what goes into such a line: `printable` text, the `reason` of another exception, the
`install_hint` for an extra."""


class UserError(Exception):
    """A mistake in a command, a config or a file, with its remedy in the message.

    The entry points print it as one line and exit with code 2; anything else that is
    raised is a defect of colorjax and keeps its traceback. What cannot be printed (a
    name may have it) is escaped.
    """

    def __init__(self, message: object):
        lines = str(message).split("\n")
        super().__init__("\n".join(printable(line) for line in lines))


def printable(text: str) -> str:
    """The text with control characters, and bytes that are no UTF-8, escaped."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def reason(error: BaseException) -> str:
    """What a library's exception says, in a line that is not too long."""
    line = next(iter(str(error).splitlines()), "")
    return printable(line)[:300] or type(error).__name__


def install_hint(extra: str) -> str:
    """The command that installs colorjax with an extra. No package index has it."""
    return f'pip install -e ".[{extra}]" in the repository of colorjax'
