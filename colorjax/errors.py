"""The one exception that a user can cause: `UserError`, shown as a single line."""


class UserError(Exception):
    """A mistake in a command, a config or a file, with its remedy in the message.

    The entry points print it as one line and exit with code 2; anything else that is
    raised is a defect of colorjax and keeps its traceback.
    """
