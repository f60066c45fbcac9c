"""Methods: one file each, with a function `build(*, prior=None, **section) -> Method`.

`prior` is the mean frequency of each color bin in the training split. Only losses use
it: a method that is built without one initializes and predicts.
"""

import importlib
import pkgutil
from collections.abc import Callable

from colorjax.errors import UserError

NAMES = sorted(
    module.name
    for module in pkgutil.iter_modules(__path__)
    if not module.name.startswith("_")
)


def builder(name: str) -> Callable:
    """The function `build` of the module `colorjax.methods.<name>`.

    Raises `UserError` where there is no such method.
    """
    if name not in NAMES:
        raise UserError(f"method.name '{name}': no such method; there are {NAMES}")
    return importlib.import_module(f"{__name__}.{name}").build
