"""Run recorded sessions again, in virtual time."""
