"""Embedders: texts to vectors.

One protocol, two implementations: a multilingual model that runs here without a network, and the OpenAI API (or any
server that speaks it). Vectors are numpy arrays from end to end. Settings, batching by rows and what is done with the
vectors live elsewhere; a rejected input is reported, never dropped.
"""
