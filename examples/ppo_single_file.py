"""PPO in one file, on the native vector environment: everything an agent needs, in the order in which it happens.

    python examples/ppo_single_file.py                                   the trend world: what can be earned is known
    python examples/ppo_single_file.py --market sample --steps 1000000   BTC of 2021 and 2022, then 2023, at 0.1 % fees

One compiled call moves all accounts, so batches are large and the network is what takes the time. Three things are done that
short implementations often leave out: an episode that was cut off is bootstrapped with the value of its own last observation
(Pardo et al. 2018, "Time Limits in Reinforcement Learning"); observations are scaled by statistics that belong to the agent;
rewards are divided by the deviation of their discounted sum (Engstrom et al. 2020, "Implementation Matters in Deep RL"). The
rest is Schulman et al. 2017, with the details of Huang et al. 2022, "The 37 Implementation Details of PPO". Needs PyTorch.
"""
# ruff: noqa: T201

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from torch import nn

import tradeready_gym  # noqa: F401  registers the ids
from tradeready_gym.market.worlds import trend


@dataclass(frozen=True)
class Settings:
    """Hyper-parameters; each is an argument of the command line, too."""

    steps: int = 196_608
    num_envs: int = 256
    rollout: int = 64
    epochs: int = 3
    minibatches: int = 4
    learning_rate: float = 2e-3
    gamma: float = 0.99
    gae_lambda: float = 0.95
    clip: float = 0.2
    value_weight: float = 0.5
    largest_gradient: float = 0.5
    seed: int = 0


# ---- the market ------------------------------------------------------------------------------------------------------


def make_market(name: str, *, testing: bool, **arguments: Any) -> Any:
    """A vector environment whose flags mean what RL means by them, and which begins anew in the step that ends an episode.

    `terminated` is then ruin, after which nothing comes; `truncated` is the end of the window or of the data, after which the
    market goes on, unseen.
    """
    if name == "trend":
        arguments |= {"data": trend(bars=10_000, seed=int(testing)), "fee_rate": 0.0, "slippage": "none"}
    else:
        span = {"start_time": "2023-01-01T00:00:00Z", "end_time": "2024-01-01T00:00:00Z"}
        arguments |= {"data": "sample"} | (span if testing else {"end_time": "2023-01-01T00:00:00Z"})
    return gym.make_vec(
        "TradeReady-BTC-v0",
        action_scheme="target_position",  # 0 everything in cash, 1 everything in the asset
        reward_function="log_return",
        lookback_window=30,
        episode_end="gymnasium",
        autoreset_mode="SAME_STEP",
        track_training=False,
        **arguments,
    )


# ---- the agent -------------------------------------------------------------------------------------------------------


def network(inputs: int, outputs: int, last_gain: float) -> nn.Sequential:
    """Two hidden layers of 64 with orthogonal weights, as Stable-Baselines3's `MlpPolicy` has them."""
    layers = [nn.Linear(inputs, 64), nn.Linear(64, 64), nn.Linear(64, outputs)]
    for layer, gain in zip(layers, (2**0.5, 2**0.5, last_gain), strict=True):
        nn.init.orthogonal_(layer.weight, gain)
        nn.init.zeros_(layer.bias)
    return nn.Sequential(layers[0], nn.Tanh(), layers[1], nn.Tanh(), layers[2])


class Agent(nn.Module):
    """A policy, a value, and the scale of what they see: `state_dict()` keeps all three together."""

    count: torch.Tensor
    mean: torch.Tensor
    variance: torch.Tensor

    def __init__(self, inputs: int, actions: int) -> None:
        super().__init__()
        self.policy, self.critic = network(inputs, actions, 0.01), network(inputs, 1, 1.0)
        for name in ("count", "mean", "variance"):
            self.register_buffer(name, torch.zeros(() if name == "count" else (inputs,)))

    def learn_scale(self, observations: torch.Tensor) -> None:
        """Take a batch (n, inputs) into the mean and the variance of all observations so far (Chan et al. 1979)."""
        n, (variance, mean) = len(observations), torch.var_mean(observations, dim=0, correction=0)
        total, apart = self.count + n, mean - self.mean
        spread = self.variance * self.count + variance * n + apart**2 * (self.count * n / total)
        self.mean += apart * (n / total)
        self.variance, self.count = spread / total, total

    def scaled(self, observations: np.ndarray) -> torch.Tensor:
        """Observations as the networks see them; what never changed stays as it is."""
        deviation = torch.where(self.variance > 1e-12, self.variance, 1.0).sqrt()
        return ((torch.from_numpy(observations) - self.mean) / deviation).clamp_(-10.0, 10.0)

    def value(self, scaled: torch.Tensor) -> torch.Tensor:
        """What is still to be earned, in units of the scaled reward."""
        value: torch.Tensor = self.critic(scaled)
        return value.squeeze(-1)

    def best(self, observations: np.ndarray) -> np.ndarray:
        """The likeliest actions, for playing without exploring."""
        with torch.no_grad():
            logits: torch.Tensor = self.policy(self.scaled(observations))
        return logits.argmax(-1).numpy()


# ---- one rollout -----------------------------------------------------------------------------------------------------


class Collector:
    """Plays the policy in the market, T steps of N accounts at a time; tensors are (T, N) or (T, N, inputs)."""

    def __init__(self, market: Any, agent: Agent, settings: Settings) -> None:
        self.market, self.agent, self.settings = market, agent, settings
        self.observation, _ = market.reset(seed=settings.seed * settings.num_envs)
        agent.learn_scale(torch.from_numpy(self.observation))
        self.discounted = np.zeros(settings.num_envs)  # sums of rewards, whose deviation scales the rewards
        self.sums = [0.0, 0.0, 0.0]  # of these, of their squares, and how many they are
        self.earned = 0.0

    def collect(self) -> tuple[torch.Tensor, ...]:
        """Scaled observations, actions, their log probabilities, advantages and returns, each with T x N rows."""
        shape = (self.settings.rollout, self.settings.num_envs)
        seen = np.empty((*shape, self.observation.shape[1]), np.float32)
        actions, chances = torch.empty(shape, dtype=torch.int64), torch.empty(shape)
        rewards, terminated, truncated = np.empty(shape), np.empty(shape, bool), np.empty(shape, bool)
        cut: list[tuple[int, np.ndarray]] = []
        for t in range(self.settings.rollout):
            seen[t] = self.observation
            with torch.no_grad():
                logits = self.agent.policy(self.agent.scaled(self.observation)).log_softmax(-1)
                actions[t] = torch.multinomial(logits.exp(), 1).squeeze(-1)
                chances[t] = logits.gather(1, actions[t, :, None]).squeeze(-1)
            self.observation, rewards[t], terminated[t], truncated[t], infos = self.market.step(actions[t].numpy())
            if truncated[t].any():
                cut.append((t, infos["final_obs"]))
        scaled = self.agent.scaled(seen)
        with torch.no_grad():
            values = self.agent.value(scaled)
            following = torch.cat([values[1:], self.agent.value(self.agent.scaled(self.observation))[None]])
            for t, last in cut:  # not the first observation of the next episode
                following[t] = torch.where(
                    torch.from_numpy(truncated[t]), self.agent.value(self.agent.scaled(last)), following[t]
                )
        following[torch.from_numpy(terminated)] = 0.0
        ended = terminated | truncated
        self.earned = float(rewards.mean())
        advantages = self.advantages(self.scale_rewards(rewards, ended), values, following, torch.from_numpy(ended))
        self.agent.learn_scale(
            torch.from_numpy(seen).flatten(0, 1)
        )  # for the next rollout: this one was seen as it was
        return tuple(x.flatten(0, 1) for x in (scaled, actions, chances, advantages, advantages + values))

    def scale_rewards(self, rewards: np.ndarray, ended: np.ndarray) -> torch.Tensor:
        """Rewards divided by the running deviation of their discounted sum within an episode."""
        for t, reward in enumerate(rewards):
            self.discounted = self.settings.gamma * self.discounted + reward
            batch = (self.discounted.sum(), (self.discounted**2).sum(), len(reward))
            self.sums = [old + new for old, new in zip(self.sums, batch, strict=True)]
            self.discounted[ended[t]] = 0.0
        mean = self.sums[0] / self.sums[2]
        return torch.from_numpy(rewards / np.sqrt(self.sums[1] / self.sums[2] - mean**2 + 1e-12)).float()

    def advantages(
        self, rewards: torch.Tensor, values: torch.Tensor, following: torch.Tensor, ended: torch.Tensor
    ) -> torch.Tensor:
        """Generalised advantage estimates (Schulman et al. 2016), which do not reach over the end of an episode."""
        surprise = rewards + self.settings.gamma * following - values
        decay = self.settings.gamma * self.settings.gae_lambda * ~ended
        for t in range(len(surprise) - 2, -1, -1):
            surprise[t] += decay[t] * surprise[t + 1]
        return surprise


# ---- learning --------------------------------------------------------------------------------------------------------


def improve(agent: Agent, optimizer: torch.optim.Optimizer, rollout: tuple[torch.Tensor, ...], to: Settings) -> None:
    """Some epochs of the clipped objective over the rollout, in shuffled minibatches."""
    for _ in range(to.epochs):
        for rows in torch.randperm(len(rollout[0])).tensor_split(to.minibatches):
            observations, actions, chances, advantages, returns = (column[rows] for column in rollout)
            new = agent.policy(observations).log_softmax(-1).gather(1, actions[:, None]).squeeze(-1)
            ratio = (new - chances).exp()
            advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
            gain = torch.minimum(ratio * advantages, ratio.clamp(1.0 - to.clip, 1.0 + to.clip) * advantages).mean()
            error = (agent.value(observations) - returns).square().mean()
            loss: Any = to.value_weight * error - gain
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(agent.parameters(), to.largest_gradient)
            optimizer.step()


def train(settings: Settings, market: Any, report: Callable[[str], None] = print) -> Agent:
    """An agent that has learned from at least `settings.steps` steps of the market, in whole rollouts."""
    torch.manual_seed(settings.seed)
    agent = Agent(market.single_observation_space.shape[0], int(market.single_action_space.n))
    optimizer = torch.optim.Adam(agent.parameters(), lr=settings.learning_rate, eps=1e-5)
    collector = Collector(market, agent, settings)
    begun, size = time.perf_counter(), settings.rollout * settings.num_envs
    for done in range(size, settings.steps + size, size):
        rollout = collector.collect()
        improve(agent, optimizer, rollout, settings)
        rate = done / (time.perf_counter() - begun)
        report(f"{done:>10,} steps  {rate:>9,.0f} a second  {1e4 * collector.earned:+.2f} basis points a step")
    return agent


def evaluate(agent: Agent, market: Any) -> tuple[float, dict[str, float]]:
    """Play one account from the first candle to the last, without exploring: log growth of the equity, and the metrics."""
    observation, infos = market.reset(seed=0)
    begun = infos["equity"][0]
    while True:
        observation, _, _, _, infos = market.step(agent.best(observation))
        if "final_info" in infos:
            last = infos["final_info"]
            metrics = {k: v[0] for k, v in last["episode_metrics"].items() if not k.startswith("_")}
            return float(np.log(last["equity"][0] / begun)), metrics


def main() -> None:
    """Train, evaluate, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--market", choices=("trend", "sample"), default="trend")
    parser.add_argument("--window", type=int, default=512, help="candles in an episode of training")
    for field in fields(Settings):
        parser.add_argument(f"--{field.name.replace('_', '-')}", type=type(field.default), default=field.default)
    given = vars(parser.parse_args())
    name, window = given.pop("market"), given.pop("window")
    settings = Settings(**given)
    torch.set_num_threads(1)  # a network of this size gains nothing from more
    training = make_market(name, testing=False, num_envs=settings.num_envs, episode_length=window)
    agent = train(settings, training)
    growth, metrics = evaluate(agent, make_market(name, testing=True, num_envs=1))
    print(
        f"held out: log growth {growth:.2f}, {metrics['total_trades']} trades, drawdown {metrics['max_drawdown_pct']:.1f} %"
    )


if __name__ == "__main__":
    main()
