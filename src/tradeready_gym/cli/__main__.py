"""`python -m tradeready_gym.cli`."""

import sys

from tradeready_gym.cli import main

sys.exit(main())
