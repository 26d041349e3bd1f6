"""The reference engine: the documented semantics of `.grad`, executable, in NumPy.

Values are nodes that never change, tensors are views of storages, derivatives are swept forward wherever that will
do. Imports `entropy`, `ops` and the dialect that it is to speak; it never sees the engine that is judged.
"""
