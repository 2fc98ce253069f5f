"""From whatever comes in to what is done about it, and when to look again."""
