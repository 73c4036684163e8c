"""The long run: `python -m tests.life --sequences 500`, three of four over pgvector, the others over Pinecone."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import pytest

from tests.life.amount import SAME_EVERY_TIME, SEQUENCES


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.life", description=__doc__)
    parser.add_argument("--sequences", type=int, default=500)
    asked = parser.parse_args().sequences
    SEQUENCES.update({"pgvector": asked * 3 // 4, "pinecone": asked - asked * 3 // 4})
    SAME_EVERY_TIME["derandomize"] = False
    return pytest.main(["-q", "--durations=4", str(Path(__file__).with_name("test_life.py"))])


if __name__ == "__main__":
    sys.exit(main())
