"""Train, measure and use image colorizers in JAX."""

__version__ = "0.1.0"


def __getattr__(name: str):
    """Import `colorjax.Colorizer` on first use, so that `import colorjax` is fast."""
    if name == "Colorizer":
        from colorjax.inference.colorizer import Colorizer

        return Colorizer
    raise AttributeError(f"module 'colorjax' has no attribute '{name}'")
