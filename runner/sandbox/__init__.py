"""Where endpoints run: three hosts per attempt, that vanish as a whole when it ends."""
