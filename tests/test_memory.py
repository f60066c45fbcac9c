"""A process reuses freed memory until it trims its heap."""

import pytest
from helpers import environment, python

from colorjax import runtime

CODE = """
import resource
import numpy as np
from colorjax import runtime

def pages():
    "The number of pages that the system clears for 64 MB, used and freed."
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.empty(1 << 26, np.uint8)[::4096] = 1
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

default = pages(), pages()
runtime.configure_malloc()
reused = pages(), pages()
runtime.trim_malloc()
print(*default, *reused, pages())
"""


@pytest.mark.skipif(
    runtime._function("mallopt") is None, reason="not the C library of GNU/Linux"
)
def test_memory_is_cleared_once():
    # NumPy asks for huge pages, of which there are too few to count.
    result = python("-c", CODE, env=environment(NUMPY_MADVISE_HUGEPAGE="0"))
    assert result.code == 0, result.err
    first, second, third, fourth, trimmed = map(int, result.out.split())
    assert min(first, second, third, trimmed) > 16_000  # pages of 4 KB
    assert fourth < 100
