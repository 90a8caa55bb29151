"""Torrents: what they say, how their bytes lie in files, reading and making them (BEP 3, 12, 47)."""
