"""The check of a command for its optional dependencies."""

import importlib

from colorjax.errors import UserError, install_hint


def need_extra(extra: str, *modules: str) -> None:
    """Raise `UserError`, with what to install, if a module cannot be imported."""
    for name in modules:
        try:
            importlib.import_module(name)
        except ImportError as error:
            raise UserError(
                f"the package {name} cannot be imported ({error}); "
                f"{install_hint(extra)} installs it"
            ) from error
