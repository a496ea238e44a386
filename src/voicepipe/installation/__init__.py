"""How this program was installed, and what it is called in commands."""
