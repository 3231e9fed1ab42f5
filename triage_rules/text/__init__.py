"""Reading what was written: the normal form, and the findings with what is said of each."""
