"""A program run on an engine, beside what was to be seen: the observed trace and the expected one.

The interpreter runs steps and takes snapshots; the oracle has the reference engine follow what the engine showed.
Imports all below it: `language`, `engines`, `reference` and its adapter. Nothing here knows a law.
"""
