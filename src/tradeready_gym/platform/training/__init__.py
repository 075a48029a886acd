"""Training runs and their episodes: kept, summed up as they come in, read in pages and as curves."""
