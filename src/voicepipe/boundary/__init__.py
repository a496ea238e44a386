"""Boundaries of a session's graph: overflow policies, worker threads, tasks, and pending work."""
