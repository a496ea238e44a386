"""How this program was installed, and how its commands are named."""
