"""From jobs to bundles and verdicts: all that happens while a run is under way."""
