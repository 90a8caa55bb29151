"""One torrent's state: facts come in as method calls, orders go out through the ports."""
