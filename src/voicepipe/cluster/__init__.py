"""Stages on a Ray cluster: Ray Serve is the control plane, and sound goes directly to the replicas.

Importing it imports no Ray; the extra `cluster` brings it.
"""
