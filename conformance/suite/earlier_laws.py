"""The laws of an earlier release of the suite, or of an earlier record, as far as they exist still."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gradlaws
from gradlaws.conformance.engines.exceptions import plain
from gradlaws.conformance.laws import LAWS, Law
from gradlaws.conformance.whole_programs.run_item import WHOLE, law_of

#: What the laws of each release were, a file a release: `gradlaws laws --freeze` writes it.
RELEASED = Path(__file__).resolve().parent.parent / "laws" / "released"


class EarlierLawsError(Exception):
    """There is no such release or record; the message says what to do."""


def wording(law: Law) -> str:
    """Which of its wordings a law has: a digest of its sentence and of the source of that."""
    return hashlib.sha256(f"{law.sentence}\n{law.source}".encode()).hexdigest()[:8]


def frozen(laws: Iterable[Law]) -> dict[str, Any]:
    """What a record, or the file of a release, says of the laws that it is made by."""
    there = list(laws)
    return {
        "gradlaws": gradlaws.__version__,
        "laws": {law.id: law.level for law in there},
        "wordings": {law.id: wording(law) for law in there},
    }


@dataclass(frozen=True)
class EarlierLaws:
    """What there was.

    name:     the release, or that of the record.
    laws:     their ids.
    wordings: of each the wording, where that is known.
    """

    name: str
    laws: frozenset[str]
    wordings: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, place: str) -> EarlierLaws:
        """The laws of a release, as in `0.2.0`, or of the record in a file; raises EarlierLawsError."""
        for path in (RELEASED / f"{place}.json", Path(place)):
            if path.is_file():
                return cls._read(path)
        releases = {path.stem for path in RELEASED.glob("*.json")} | {gradlaws.__version__}
        if place in releases:
            return cls(place, frozenset({*LAWS, WHOLE.id}))
        raise EarlierLawsError(
            f"--laws-of {plain(place)}: is neither the record of a run nor a release that this one knows the laws of "
            f"({', '.join(sorted(releases))})"
        )

    @classmethod
    def _read(cls, path: Path) -> EarlierLaws:
        try:
            with path.open(encoding="utf-8") as file:
                head = json.loads(file.readline())
            laws, wordings = head["laws"], head.get("wordings", {})
            if not laws:  # records of old do not say
                raise KeyError("laws")
            return cls(str(head["gradlaws"]), frozenset(map(str, laws)), dict(wordings))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise EarlierLawsError(
                f"--laws-of {path}: is no record that says by which laws it was made"
            ) from error

    @property
    def gone(self) -> list[str]:
        """The laws that do not exist any more."""
        return sorted(law for law in self.laws if law_of(law) is None)

    def reworded(self, tried: Collection[str]) -> list[str]:
        """Those of the laws that are tried that say something else now."""
        both = ((law_of(law), self.wordings.get(law)) for law in sorted(self.laws.intersection(tried)))
        return [law.id for law, before in both if law is not None and before not in (None, wording(law))]

    def told(self, tried: Collection[str]) -> dict[str, Any]:
        """What the header of a record says of them."""
        return {"release": self.name, "gone": self.gone, "reworded": self.reworded(tried)}
