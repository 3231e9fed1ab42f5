"""Published scores, each with its missing parameters named."""
