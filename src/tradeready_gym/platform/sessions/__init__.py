"""Backtest sessions: the engine behind REST, kept so that it survives a restart."""
