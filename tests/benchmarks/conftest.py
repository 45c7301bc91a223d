import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # for plugin_scores.py, here and in the workers
