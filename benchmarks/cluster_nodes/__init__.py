"""Failures of a cluster of three machines, each a network namespace of this one."""
