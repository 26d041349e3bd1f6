"""What the programs of a law are drawn from: bytes, decoded under the law's leaning."""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from collections.abc import Iterable

from gradlaws.conformance.engines.backend import Backend
from gradlaws.conformance.entropy import Entropy, stretched
from gradlaws.conformance.known_failures.matching import KnownFailures
from gradlaws.conformance.language.program import Program
from gradlaws.conformance.language.serialization import dumped
from gradlaws.conformance.laws.registry import Law
from gradlaws.conformance.ops import INPLACE
from gradlaws.strategies.builder import Builder, DeadEnd
from gradlaws.strategies.swarm import keep
from gradlaws.strategies.vocabulary import Vocabulary

#: Bytes that one program is drawn from.
SIZE = 16
_TAIL = struct.Struct(">IH")
#: Bytes that Hypothesis draws for a batch of programs; the rest of `SIZE` is the draw's own tail.
BATCHED = SIZE - _TAIL.size
_WORD = 0xFFFFFFFF
#: How what stands for a program begins that was not drawn.
_GIVEN = b"program:"


def start_of(law: str, seed: int) -> int:
    """What sets the draws of a law under a seed apart, in 32 bits."""
    if not 0 <= seed <= _WORD:
        seed = zlib.crc32(str(seed).encode())
    return zlib.crc32(law.encode()) ^ seed


def draw(data: bytes, start: int, number: int) -> bytes:
    """The bytes that one program of a batch is drawn from.

    The start is a part of them because Hypothesis tries the same simplest bytes first, whatever the seed.
    """
    return data + _TAIL.pack(start, number)


def vocabulary_of(law: Law, backend: Backend, known: KnownFailures) -> Vocabulary:
    """What programs of a law may use: what the engine has, but for what is listed as apart, unless the law needs it."""
    needed = law.needs | (frozenset(INPLACE) if "inplace" in law.needs else frozenset())
    return Vocabulary.of(backend).less(known.apart(law.id) - needed, known.apart_calls(law.id))


def drawn(law: Law, vocabulary: Vocabulary, data: bytes) -> Program:
    """The program that `data` decodes to under the law's leaning; raises DeadEnd."""
    return built(law, vocabulary, data).program()


def built(law: Law, vocabulary: Vocabulary, data: bytes) -> Builder:
    """The same with all that is known of how it came about."""
    assert law.leaning is not None
    start, number = _TAIL.unpack_from(data, BATCHED) if len(data) == SIZE else (0, 0)
    builder = Builder(Entropy(stretched(data)), vocabulary, start + number)
    if len(data) == SIZE:
        keep(builder, data)
    try:
        law.leaning(builder)
    except (IndexError, ValueError) as error:
        if not builder.sizes:
            raise
        # What a leaning wants of the usual sizes need not be there at others, such as none at all.
        raise DeadEnd("not at these sizes") from error
    return builder


def standing_for(program: Program) -> bytes:
    """What a journal has in the place of a draw where the program was not drawn, but failed in an earlier run."""
    return (_GIVEN + hashlib.sha256(json.dumps(dumped(program)).encode()).digest())[:SIZE]


def given(data: bytes, programs: Iterable[Program]) -> Program | None:
    """The one of these programs that `data` stands for; None where it is a draw."""
    if not data.startswith(_GIVEN):
        return None
    return next((program for program in programs if standing_for(program) == data), None)
