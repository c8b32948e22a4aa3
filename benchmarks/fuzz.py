"""Decodes mutated files for a while: each must give pictures or a FormatError, within bounded memory and time.

    python benchmarks/fuzz.py --seconds 600 --seed 1 build/bunny.fpr

A file that crashes the decoder, raises anything else, or exceeds a limit is kept in --keep under the name of its
SHA-256, with what happened, and the command ends with status 1. The same seed tries the same files in the same order.
"""

import argparse
import hashlib
import multiprocessing
import resource
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random

import fieldpress
from fieldpress import container
from fieldpress.errors import FormatError
from hostile import mutate

STARTUP_SECONDS = 120.0
MAX_PICTURES = 3
"""How many pictures of a file that opens are decoded."""


@dataclass(frozen=True)
class Arguments:
    files: list[Path]
    seconds: float
    seed: int
    target: str
    memory_mib: int
    limit_seconds: float
    keep: Path


class Decoder:
    """A process that decodes what it is sent, and can die of it.

    Args:
        arguments: Who decodes, and within what limits.
        first: A good file, which each new process decodes once, so that imports and caches count for no other.
    """

    def __init__(self, arguments: Arguments, first: bytes) -> None:
        self._arguments = arguments
        self._first = first
        self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        words = (theirs, self._arguments.target, self._arguments.memory_mib, self._first)
        self._process = context.Process(target=_serve, args=words, daemon=True)
        self._process.start()
        theirs.close()
        if not self._connection.poll(STARTUP_SECONDS):
            raise SystemExit(f"the decoder did not start within {STARTUP_SECONDS:.0f} s")
        if (outcome := self._connection.recv()) != "decoded":
            raise SystemExit(f"the first file does not decode before any mutation: {outcome}")

    def outcome(self, file: bytes) -> str:
        """``"decoded"``, ``"refused"``, or else what went wrong."""
        try:
            self._connection.send_bytes(file)
            if self._connection.poll(self._arguments.limit_seconds):
                return self._connection.recv()
            outcome = f"took more than {self._arguments.limit_seconds} s"
        except (EOFError, ConnectionError):
            self._process.join()
            outcome = f"the process ended with status {self._process.exitcode}"
        self.close()
        self._start()
        return outcome

    def close(self) -> None:
        """Ends the process."""
        self._process.kill()
        self._process.join()
        self._connection.close()


def _serve(connection: Connection, target: str, memory_mib: int, first: bytes) -> None:
    """Runs in the child: answers each file with its outcome, under a limit of address space."""
    decode = _decode_container if target == "container" else _decode_pictures
    outcome = _outcome(decode, first)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + memory_mib * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    connection.send(outcome)
    while True:
        try:
            file = connection.recv_bytes()
        except EOFError:
            return
        connection.send(_outcome(decode, file))


def _outcome(decode: Callable[[bytes], None], file: bytes) -> str:
    try:
        decode(file)
    except FormatError:
        return "refused"
    except BaseException:  # whatever it is, it is a finding
        return traceback.format_exc()
    return "decoded"


def _decode_container(file: bytes) -> None:
    container.read(file)


def _decode_pictures(file: bytes) -> None:
    pictures = fieldpress.open(file)
    for index in range(min(len(pictures), MAX_PICTURES)):
        pictures[index]


def fuzz(arguments: Arguments) -> Counter[str]:
    """Mutates and decodes until the time is up; how often each outcome came, failures under their last line."""
    sources = [path.read_bytes() for path in arguments.files]
    decoder = Decoder(arguments, sources[0])
    counts: Counter[str] = Counter()
    try:
        for path, source in zip(arguments.files, sources, strict=True):
            if (outcome := decoder.outcome(source)) != "decoded":
                raise SystemExit(f"{path} does not decode before any mutation: {outcome}")
        end = time.monotonic() + arguments.seconds
        number = 0
        while time.monotonic() < end:
            random = Random(f"{arguments.seed}.{number}")
            file = mutate(random.choice(sources), random)
            outcome = decoder.outcome(file)
            if outcome not in ("decoded", "refused"):
                arguments.keep.mkdir(parents=True, exist_ok=True)
                path = arguments.keep / hashlib.sha256(file).hexdigest()[:16]
                path.with_suffix(".fpr").write_bytes(file)
                path.with_suffix(".txt").write_text(f"seed {arguments.seed}, file {number}\n{outcome}")
                outcome = outcome.strip().splitlines()[-1]
            counts[outcome] += 1
            number += 1
    finally:
        decoder.close()
    return counts


def parse_arguments(words: list[str]) -> Arguments:
    """The command line; ``--help`` explains it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", type=Path, nargs="+", help="good files to start from, small ones best")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long to go on (60)")
    parser.add_argument("--seed", type=int, default=0, help="which files are tried (0)")
    parser.add_argument("--target", choices=("open", "container"), default="open", help="what decodes (open)")
    parser.add_argument("--memory-mib", type=int, default=2048, help="memory that one file may take (2048)")
    parser.add_argument("--limit-seconds", type=float, default=20.0, help="time that one file may take (20)")
    parser.add_argument("--keep", type=Path, default=Path("build/fuzz"), help="where failing files go (build/fuzz)")
    return Arguments(**vars(parser.parse_args(words)))


def main() -> None:
    """Prints each outcome with its count, the commonest first."""
    counts = fuzz(parse_arguments(sys.argv[1:]))
    for outcome, count in counts.most_common():
        print(f"{count:8d}  {outcome}")
    if set(counts) - {"decoded", "refused"}:
        sys.exit(1)


if __name__ == "__main__":
    main()
