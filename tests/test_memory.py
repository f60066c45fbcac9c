"""What is freed is used again, until it is given back."""

import pytest
from helpers import environment, python

from colorjax import runtime

CODE = """
import resource
import numpy as np
from colorjax import runtime

def pages():
    "How many pages the system clears for 64 MB that are used and freed."
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.empty(1 << 26, np.uint8)[::4096] = 1
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

left_alone = pages(), pages()
runtime.configure_malloc()
reused = pages(), pages()
runtime.trim_malloc()
print(*left_alone, *reused, pages())
"""


@pytest.mark.skipif(
    runtime._function("mallopt") is None, reason="not the C library of GNU/Linux"
)
def test_memory_is_cleared_once():
    # In huge pages, as NumPy asks for them, there is little to count.
    result = python("-c", CODE, env=environment(NUMPY_MADVISE_HUGEPAGE="0"))
    assert result.code == 0, result.err
    first, second, third, fourth, given_back = map(int, result.out.split())
    assert min(first, second, third, given_back) > 16_000  # pages of 4 KB
    assert fourth < 100
