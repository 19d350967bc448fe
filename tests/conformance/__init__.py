"""Cases of the domain's rules, run against the real code."""
