"""The reference engine: the documented semantics of `.grad`, executable, in NumPy."""
