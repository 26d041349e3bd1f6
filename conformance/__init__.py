"""The norm: programs, engines, the reference, the laws, and the pytest plugin that brings them together."""
