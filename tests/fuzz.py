"""Give mutated files to every reader: python tests/fuzz.py --seconds 60 --seed 0.

Each reader gets its malicious files first, then these and valid files with bytes
removed, inserted, overwritten and flipped. An input fails if `hostile.outcome` raises,
the process dies, memory exceeds --memory or the reader takes more than --slow seconds.
Failing inputs are written to --keep.
"""

import argparse
import faulthandler
import random
import resource
import signal
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import hostile  # noqa: E402

EXTREME = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 1, 2**63)


class Slow(BaseException):
    """An input takes too long. No reader catches it: it is no `Exception`."""


def mutated(data: bytes, other: bytes, draw: random.Random) -> bytes:
    """The file with random changes, which may insert parts of another file."""
    result = bytearray(data)
    for _ in range(draw.choice((1, 1, 2, 3, 8))):
        at = draw.randrange(len(result) + 1)
        length = min(int(draw.expovariate(0.1)) + 1, len(result) - at)
        match draw.randrange(8):
            case 0:
                del result[at:]
            case 1:
                del result[at : at + length]
            case 2 if length > 0:
                result[at] ^= 1 << draw.randrange(8)
            case 3:
                result[at : at + length] = draw.randbytes(length)
            case 4:
                result[at:at] = result[at : at + length] * draw.randrange(1, 9)
            case 5:
                place = draw.randrange(len(other) + 1)
                result[at : at + length] = other[place : place + length]
            case 6:
                width, order = draw.choice((1, 2, 4, 8)), draw.choice(("little", "big"))
                value = draw.choice(EXTREME) % 256**width
                result[at : at + width] = value.to_bytes(width, order)
            case 7:
                old, new = draw.randbytes(1), draw.randbytes(1)
                result = result.replace(old, new, draw.randrange(1, 4))
    return bytes(result)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="in all (60)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--reader", action="append", choices=hostile.READERS)
    parser.add_argument("--memory", type=float, default=2.0, help="GB beyond start (2)")
    parser.add_argument("--slow", type=int, default=10, help="seconds an input (10)")
    parser.add_argument("--keep", type=Path, default=Path("fuzz-failures"))
    args = parser.parse_args()
    faulthandler.enable()
    readers = args.reader or list(hostile.READERS)
    with tempfile.TemporaryDirectory() as folder:
        failures = sum(
            [fuzz(name, Path(folder), args, len(readers)) for name in readers]
        )
    return 1 if failures else 0


def fuzz(reader: str, folder: Path, args: argparse.Namespace, share: int) -> int:
    """Try one reader for its share of the time; how many inputs failed."""
    draw = random.Random(f"{args.seed} {reader}")
    folder = folder / reader.replace(" ", "_")
    folder.mkdir()
    hostile.warm(reader, folder)
    limit_memory(args.memory)
    nasty = hostile.nasty(reader, str(folder / "mark"))
    seeds = [x for x in nasty.values() if len(x) < 100_000] + 20 * list(
        hostile.valid(reader)
    )
    signal.signal(signal.SIGALRM, slow)
    counts, longest = {"taken": 0, "refused": 0, "failed": 0}, 0.0
    end = time.monotonic() + args.seconds / share
    first = list(nasty.values())
    while first or time.monotonic() < end:
        if first:
            data = first.pop()
        else:
            data = mutated(draw.choice(seeds), draw.choice(seeds), draw)
        began = time.monotonic()
        args.keep.mkdir(exist_ok=True)
        last = args.keep / f"last {reader}"
        last.write_bytes(data)  # what is found here after a process that died
        signal.alarm(args.slow)
        try:
            told = hostile.outcome(reader, data, folder)
            counts["refused" if told else "taken"] += 1
        except (Exception, Slow) as error:
            counts["failed"] += 1
            kept = args.keep / f"{reader} {args.seed} {sum(counts.values())}"
            kept.write_bytes(data)
            print(f"{kept}: {type(error).__name__}: {error!s:.300}", flush=True)
        finally:
            signal.alarm(0)
        last.unlink()
        longest = max(longest, time.monotonic() - began)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    told = "  ".join(f"{name} {count:>6}" for name, count in counts.items())
    print(f"{reader:<20} {told}  longest {longest:.2f} s  peak {peak} MB", flush=True)
    return counts["failed"]


def slow(*_) -> None:
    raise Slow


def limit_memory(gigabytes: float) -> None:
    """From here on allow this much more address space."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + int(gigabytes * 2**30)
    resource.setrlimit(resource.RLIMIT_AS, (most, resource.RLIM_INFINITY))


if __name__ == "__main__":
    sys.exit(main())
