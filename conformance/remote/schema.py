"""The JSON schema of the protocol, and messages held against it.

What an engine's process says of itself is held against it once. Traces are read more strictly than a schema can say
(`trace_reader`), and too often; against the schema they are held where a process is looked at (`gradlaws smoke`).
"""

from __future__ import annotations

import json
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from gradlaws.conformance.engines.exceptions import Unavailable
from gradlaws.conformance.remote.messages import VERSION
from gradlaws.conformance.remote.trace_reader import Misspoken

#: The schema; each kind of message is one of its definitions.
PATH = Path(__file__).with_name("protocol.schema.json")


@cache
def _library() -> Any:
    try:
        return import_module("jsonschema")
    except ModuleNotFoundError as error:
        raise Unavailable(
            'to speak to engines in other processes the package jsonschema is needed: pip install "gradlaws[remote]"'
        ) from error


@cache
def _validator(kind: str) -> Any:
    schema = json.loads(PATH.read_text(encoding="utf-8"))
    return _library().Draft202012Validator({"$ref": f"#/$defs/{kind}", "$defs": schema["$defs"]})


def faults(kind: str, message: Any) -> list[str]:
    """What is wrong with a message of this kind, by its place; empty if it is as the schema says."""
    found = []
    for error in _validator(kind).iter_errors(message):
        deepest = _library().exceptions.best_match([error])  # of a choice, what comes nearest
        place = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in deepest.absolute_path)
        found.append(f"{kind}{place}: {deepest.message[:300]}")
    return sorted(found)


def introduction(said: Any) -> dict[str, Any]:
    """What a process said of itself; raises Misspoken."""
    spoken = said.get("protocol") if isinstance(said, dict) else None
    if type(spoken) is int and spoken != VERSION:
        raise Misspoken(f"it speaks version {spoken} of the protocol, and this runner version {VERSION}")
    if wrong := faults("introduction", said):
        raise Misspoken("; ".join(wrong[:3]))
    return dict(said)
