"""The reference, the generator and the adapter lie beside the tests and are imported by their plain names."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
