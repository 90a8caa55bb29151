"""Hosts on this machine for tests and measurements: network namespaces, each with its own sshd."""
