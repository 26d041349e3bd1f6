"""Programs keep to some of what there is, and are asked for what those before them have not had."""

from __future__ import annotations

from collections import Counter
from math import prod

from gradlaws.conformance.adapters.reference import ReferenceBackend
from gradlaws.conformance.entropy import Entropy, stretched
from gradlaws.conformance.language.steps import Apply, InPlace, Leaf
from gradlaws.conformance.reach.possible import NEEDS
from gradlaws.conformance.reach.step_cells import (
    KINDS,
    PAIR_ROWS,
    RELATIONS,
    TRIPLE_ROWS,
    WIDTH,
    Walk,
    pair_row,
)
from gradlaws.conformance.whole_programs.soak import Soak, program_of
from gradlaws.strategies.aimed_conjunctions import ACTIONS, Aim
from gradlaws.strategies.builder import Builder
from gradlaws.strategies.steering import BLOCK
from gradlaws.strategies.vocabulary import Vocabulary
from gradlaws.strategies.whole_programs import EVERYTHING, steered, whole_draft

VOCABULARY = Vocabulary(capabilities=EVERYTHING)


def test_a_program_follows_from_seed_and_number() -> None:
    turn = steered(3, VOCABULARY)
    programs = [turn.draft(number).program() for number in range(BLOCK + 20)]
    for number in (BLOCK + 7, 5, BLOCK + 1):
        assert steered(3, VOCABULARY).draft(number).program() == programs[number]
    back = steered(3, VOCABULARY)
    back.draft(BLOCK + 10)
    assert back.draft(3).program() == programs[3]
    assert back.draft(BLOCK + 3).program() == programs[BLOCK + 3]


def test_a_soak_draws_the_program_of_that_number() -> None:
    backend = ReferenceBackend()
    soak = Soak(backend, seed=4)
    assert soak._draw(0).program() == program_of(backend, 4, 0)
    assert soak._draw(1).program() == program_of(backend, 4, 1)


def test_all_pairs_of_steps_come_up() -> None:
    pairs, triples = [0] * PAIR_ROWS, [0] * TRIPLE_ROWS
    turn = steered(0, VOCABULARY)
    for number in range(2 * BLOCK):
        Walk(pairs, triples).go(turn.draft(number).steps, lambda index: False, watched=False)
    for between in range(2):
        met = [0] * WIDTH
        for relation in range(len(RELATIONS)):
            for last in range(len(KINDS)):
                met[last] |= pairs[pair_row(relation, between, last)]
        drawn = sum(m.bit_count() for m in met)
        assert drawn >= 0.96 * (len(KINDS) - 1) ** 2  # what is refused, only an engine can tell


def test_each_kind_of_step_can_be_asked_for() -> None:
    assert set(ACTIONS) == set(KINDS) >= set(NEEDS)
    for kind in ("checkpoint", "clip", "write unrecorded", "post hook"):
        drawn = [
            whole_draft(f"{n}".encode(), VOCABULARY, aim=Aim("compute", kind, "backward", True))
            for n in range(9)
        ]
        walked = []
        for b in drawn:
            pairs = [0] * PAIR_ROWS
            Walk(pairs, [0] * TRIPLE_ROWS).go(b.steps, lambda index: False, watched=True)
            walked.append(any(pairs[pair_row(k, 1, KINDS.index(kind))] for k in range(len(RELATIONS))))
        assert any(walked), kind


def test_programs_that_keep_to_few_ops_have_long_chains_of_them() -> None:
    b = Builder(Entropy(stretched(b"few", 4096)), VOCABULARY)
    b.keep_to(few=1)
    end = b.leaf((2, 3))
    for _ in range(12):
        end = b.unary(end, ("smooth",))
    assert len({step.op for step in b.steps if isinstance(step, Apply)} - {"neg"}) == 1


def test_each_row_comes_up_in_the_whole_programs_of_a_run() -> None:
    steering = steered(0, VOCABULARY)
    rows = [row.name for row in VOCABULARY.differentiable]
    used = Counter(
        s.op for number in range(1000) for s in steering.draft(number).steps if isinstance(s, Apply)
    )
    assert not [(name, used[name]) for name in rows if used[name] < 3]


def test_sizes_dtypes_and_layouts_of_a_swarm_are_drawn() -> None:
    sizes: Counter[int] = Counter()
    dtypes: Counter[str] = Counter()
    for number in range(400):
        for step in whole_draft(f"{number}".encode(), VOCABULARY).steps:
            if isinstance(step, Leaf):
                array = step.value.array
                sizes[prod(array.shape)] += 1
                dtypes[array.dtype.name] += 1
                assert array.ndim <= 6
    assert sizes[0]
    assert sizes[33]
    assert any(size >= 1000 for size in sizes)
    assert dtypes["float32"] > 0.05 * dtypes["float64"]


def test_programs_of_a_large_size_repeat_their_contents() -> None:
    b = Builder(Entropy(stretched(b"large", 4096)), VOCABULARY)
    x = b[b.leaf((1000,))].value
    assert (x[:97] == x[97:194]).all()
    assert len(set(x.tolist())) > 10


def test_nothing_is_written_that_the_engine_has_not() -> None:
    plain = Vocabulary(capabilities=frozenset({"retain_graph", "retain_grad"}))
    for number in range(60):
        assert not any(isinstance(step, InPlace) for step in whole_draft(f"{number}".encode(), plain).steps)
