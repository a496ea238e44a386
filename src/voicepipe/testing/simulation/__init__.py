"""A language model that plays the user of a scenario, and one that judges what no rule can say."""
