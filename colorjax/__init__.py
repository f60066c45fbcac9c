"""Train, measure and use image colorizers in JAX."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from colorjax.images import write as write_image
    from colorjax.inference.colorizer import Colorizer

__version__ = "0.1.0"
__all__ = ["Colorizer", "__version__", "write_image"]

_HOMES = {  # the module and the name of what is imported on first use
    "Colorizer": ("colorjax.inference.colorizer", "Colorizer"),
    "write_image": ("colorjax.images", "write"),
}


def __getattr__(name: str) -> Any:
    """Import a public name on first use, so that `import colorjax` is fast."""
    if name not in _HOMES:
        raise AttributeError(f"module 'colorjax' has no attribute '{name}'")
    module, attribute = _HOMES[name]
    return getattr(importlib.import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
