"""A practice session: what is asked, what an answer is worth, and what comes next."""
