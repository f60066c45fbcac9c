"""Methods: one file each, with a function `build(prior, **section) -> Method`."""

import importlib
import pkgutil
from collections.abc import Callable

from colorjax.errors import UserError


def builder(name: str) -> Callable:
    """The function `build` of the module `colorjax.methods.<name>`.

    Raises `UserError` where there is no such method.
    """
    modules = (module.name for module in pkgutil.iter_modules(__path__))
    names = sorted(name for name in modules if not name.startswith("_"))
    if name not in names:
        raise UserError(f"method.name '{name}': no such method; there are {names}")
    return importlib.import_module(f"{__name__}.{name}").build
