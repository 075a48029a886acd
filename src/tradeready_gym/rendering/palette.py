"""Colours that people with any colour vision can tell apart (M. Okabe and K. Ito, Color Universal Design, 2008)."""

BACKGROUND = "#ffffff"
TEXT = "#1d2733"
MUTED = "#64707d"
GRID = "#e6e9ed"
FRAME = "#c9d0d8"
GAP = "#eef0f3"
CASH = "#dfe4e9"

UP = "#0072b2"
DOWN = "#d55e00"
RISING_BODY = "#ffffff"
# green and red-purple of unequal lightness: told apart by every vision, and on a grey print
BUY = "#004d38"
SELL = "#c04a94"
UP_FAINT = "#cfe5f2"
DOWN_FAINT = "#f8dcc6"
POSITION = "#56b4e9"
SHORT = "#e69f00"

SYMBOLS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#b8a800", "#555f6b")


def up_or_down(value: float) -> str:
    """The colour of a gain or a loss, plain text for neither."""
    if abs(value) < 0.005:
        return TEXT
    return UP if value > 0 else DOWN
