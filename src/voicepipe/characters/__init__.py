"""Characters: system prompts, and the headlines of the newsreader."""
