"""Text on its way to a voice: words, sentences, clauses, and how each is read. All of it is pure."""
