"""What a command needs beyond the core: `need_extra`."""

import importlib

from colorjax.errors import UserError


def need_extra(extra: str, *modules: str) -> None:
    """Raise `UserError`, saying what to install, where a module is missing."""
    for name in modules:
        try:
            importlib.import_module(name)
        except ImportError as error:
            raise UserError(
                f"the package {name} cannot be imported ({error}); install colorjax "
                f'with its extra: pip install -e ".[{extra}]"'
            ) from error
