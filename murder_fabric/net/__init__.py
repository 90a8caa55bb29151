"""The Twisted edges: they move bytes between sockets and the rooms below, and decide nothing."""
