"""What is told: the record of a run, and what is rendered from it."""
