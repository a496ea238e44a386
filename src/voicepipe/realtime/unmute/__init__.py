"""The dialect of Unmute's frontend."""
