"""Recordings of sessions: what entered a session's graph and what left it, in one file, so that it can be run again."""
