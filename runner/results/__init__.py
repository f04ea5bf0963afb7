"""All verdicts of a run together: the matrix, counts, and result.json."""
