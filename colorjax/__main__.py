"""The `colorjax` command; `python -m colorjax` is the same."""

import sys

from colorjax.loading import loading


def main() -> int:
    """Run the command and return its exit code."""
    with loading("colorjax"):
        from colorjax import cli
    return cli.main()


if __name__ == "__main__":
    sys.exit(main())
