"""The SDK beside other libraries that are loaded while it works."""

from __future__ import annotations

import subprocess
import sys

from tests.stand_ins.openai_server import KEY, OpenAIServer

# a fresh interpreter: a thread stays in the middle of loading httpx, as Pinecone's SDK does for a moment
WHILE_HTTPX_IS_LOADING = """
import importlib.machinery, sys, threading
from resources.embedders.openai import OpenAIEmbedder

begun, go = threading.Event(), threading.Event()
load = importlib.machinery.SourceFileLoader.exec_module

def slow(loader, module):
    if module.__name__ == "httpx":
        begun.set()
        go.wait(20)
    load(loader, module)

def embed(outcomes):
    try:
        outcomes.append(len(OpenAIEmbedder(api_key=sys.argv[1], base_url=sys.argv[2],
        dimension=8).embed(["a"]).vectors))
    except AttributeError as error:
        outcomes.append(error)

importlib.machinery.SourceFileLoader.exec_module = slow
loading = threading.Thread(target=__import__, args=("httpx",))
loading.start()
begun.wait(20)
outcomes = []
working = threading.Thread(target=embed, args=(outcomes,))
working.start()
working.join(3)  # it either breaks in this time, or waits for httpx as it should
go.set()
working.join(20)
loading.join(20)
print(outcomes)
"""


def test_an_embedding_waits_for_a_library_that_another_thread_is_loading(server: OpenAIServer):
    """Seen in the doctor, which asks OpenAI and Pinecone at the same time: one in six ended in an AttributeError."""
    done = subprocess.run(
        [sys.executable, "-c", WHILE_HTTPX_IS_LOADING, KEY, server.base_url],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.strip() == "[1]", done.stderr
