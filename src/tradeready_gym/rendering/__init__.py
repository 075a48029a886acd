"""Pictures and lines for people: what the market did, what the agent did about it, and what became of the money."""

from tradeready_gym.rendering.ansi import to_text
from tradeready_gym.rendering.chart import FRAME_HEIGHT, FRAME_WIDTH, draw_frame
from tradeready_gym.rendering.scene import Scene, SceneFill
from tradeready_gym.rendering.window import Window, show

__all__ = ["FRAME_HEIGHT", "FRAME_WIDTH", "Scene", "SceneFill", "Window", "draw_frame", "show", "to_text"]
