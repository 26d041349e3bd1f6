"""The templates in `page/`, which the report and the history are pages of."""

from __future__ import annotations

from importlib.resources import files

from jinja2 import Environment, FunctionLoader, StrictUndefined


def source(name: str) -> str:
    """The text of a file in `page/`."""
    return (files("gradlaws.reports") / "page" / name).read_text("utf-8")


def templates() -> Environment:
    """All templates; whatever they are given is text, and a name that they are not given is an error."""
    environment = Environment(
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
        loader=FunctionLoader(source),
    )
    environment.filters.update(link=_link)
    return environment


def _link(url: str) -> str:
    """A link that may be followed; anything else, which a record may hold, leads nowhere."""
    return url if url.startswith(("https://", "http://")) else "#"
