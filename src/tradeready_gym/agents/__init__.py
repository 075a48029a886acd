"""What a trained agent is: one bundle on disk, whoever trained it, and what an environment must have for it to act there."""

from tradeready_gym.agents.bundle import FORMAT, AgentBundle
from tradeready_gym.agents.identity import DataIdentity
from tradeready_gym.agents.interface import AgentInterface
from tradeready_gym.agents.pipelines import feature_digest, pipeline_as_plain, pipeline_from_plain
from tradeready_gym.agents.versions import MismatchWarning, version_differences, versions_of

__all__ = [
    "FORMAT",
    "AgentBundle",
    "AgentInterface",
    "DataIdentity",
    "MismatchWarning",
    "feature_digest",
    "pipeline_as_plain",
    "pipeline_from_plain",
    "version_differences",
    "versions_of",
]
