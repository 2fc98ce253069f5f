"""From a trigger to what is done about it, and when to look again."""
