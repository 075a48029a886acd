"""The four values of Gym before 0.26, for loops that were written then."""

from typing import Any

import gymnasium


class OldGymWrapper:
    """An environment as Gym had them until 2022: `ob = env.reset()`, and `ob, reward, done, info = env.step(action)`.

    `done` is terminated or truncated. The info is the environment's own with both flags besides: `terminated`, `truncated`,
    and `TimeLimit.truncated`, which the libraries of the time read; an episode that was only cut is one whose value goes on.
    `seed(number)` seeds the next `reset`. Attributes that are not here are those of the wrapped environment.

    Not a `gymnasium.Env`, since it breaks that contract: what is written today takes the environment itself.

    Raises:
        TypeError: what is wrapped is not a `gymnasium.Env`; a vector environment has no old form.
    """

    def __init__(self, env: gymnasium.Env[Any, Any]) -> None:
        if not isinstance(env, gymnasium.Env):
            raise TypeError(f"OldGymWrapper wraps one gymnasium.Env; got {type(env).__name__}")
        self.env = env
        self._seed: int | None = None

    def __repr__(self) -> str:
        return f"OldGymWrapper({self.env!r})"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "env":
            raise AttributeError(name)
        return getattr(self.env, name)

    def __enter__(self) -> "OldGymWrapper":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def seed(self, seed: int | None = None) -> list[int | None]:
        """Begin the next episode with this seed; returns it in a list."""
        self._seed = seed
        return [seed]

    def reset(self) -> Any:
        """Begin an episode; returns the first observation, alone."""
        seed, self._seed = self._seed, None
        return self.env.reset(seed=seed)[0]

    def step(self, action: Any) -> tuple[Any, float, bool, dict[str, Any]]:
        """Apply the action; returns the observation, the reward, `done` and the info."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        flags = {
            "terminated": bool(terminated),
            "truncated": bool(truncated),
            "TimeLimit.truncated": bool(truncated and not terminated),
        }
        return observation, float(reward), bool(terminated or truncated), {**info, **flags}

    def render(self, mode: str = "human") -> Any:
        """What the environment renders in the `render_mode` that it was made with; `mode` is accepted and not used."""
        return self.env.render()

    def close(self) -> None:
        """Close the environment."""
        self.env.close()
