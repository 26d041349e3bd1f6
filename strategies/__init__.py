"""What to try: Hypothesis strategies for tensors, op chains and programs."""
