"""Measurements, ours beside a stock client's in one run: the figures in docs/performance.md are ratios."""
