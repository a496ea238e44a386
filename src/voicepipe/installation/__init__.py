"""The installation of this program, and the names of its commands."""
