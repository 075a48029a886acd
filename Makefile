# demo: the main job, from nothing. test: the checks and every suite, from nothing.
.PHONY: demo test check soak bench serve warm clean

demo:
	scripts/setup demo
	scripts/demo

test:
	scripts/setup
	scripts/setup rllib
	scripts/check
	scripts/test

check:
	scripts/setup
	scripts/check

soak:
	scripts/setup
	scripts/soak

bench:
	scripts/setup
	scripts/bench

serve:
	scripts/setup
	.venv/bin/tradeready serve

warm:
	scripts/setup demo
	.venv/bin/tradeready warm

clean:
	rm -rf .venv .venv-rllib build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
