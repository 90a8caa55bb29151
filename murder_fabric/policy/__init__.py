"""Decisions, one a module: facts, `now` and `rng` come in, the choice goes out."""
