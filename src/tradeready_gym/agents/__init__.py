"""What a trained agent is: one bundle on disk, whoever trained it, and what an environment must have for it to act there."""

from tradeready_gym.agents.bundle import FORMAT, AgentBundle, DataIdentity, versions_of
from tradeready_gym.agents.interface import AgentInterface
from tradeready_gym.agents.pipelines import feature_digest, pipeline_as_plain, pipeline_from_plain

__all__ = [
    "FORMAT",
    "AgentBundle",
    "AgentInterface",
    "DataIdentity",
    "feature_digest",
    "pipeline_as_plain",
    "pipeline_from_plain",
    "versions_of",
]
