"""A property-based conformance suite for gradient access (`.grad`) of autograd engines."""
