"""The real swarm on virtual time: hundreds of hosts in one process, the same again for the same seed."""
