import sys
from pathlib import Path

# The rows of the test table are a package beside the tests.
sys.path.insert(0, str(Path(__file__).parent))
