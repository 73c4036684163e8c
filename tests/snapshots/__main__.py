"""`python -m tests.snapshots` writes the snapshots anew; `--print` shows them and writes nothing."""

import sys

from pipelines.definitions import defs
from tests.snapshots.graph import SNAPSHOT, graph_text

text = graph_text(defs)
if "--print" in sys.argv:
    sys.stdout.buffer.write(text.encode())
else:
    SNAPSHOT.write_text(text, "utf-8")
