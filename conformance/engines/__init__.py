"""How an engine is spoken to, found and checked: the adapter interface, its capabilities, the dialect.

An adapter subclasses `Backend`, `TorchLike`, `Spelled` or `Functional`, which are here; those that come with the
suite are in `adapters`. Imports `entropy` and `ops`; no engine, and nothing of the laws.
"""
