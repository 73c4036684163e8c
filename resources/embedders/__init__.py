"""Embedders: what a text means, as a vector.

One protocol, two bodies: a multilingual model that runs here without a network, and the OpenAI API (or any server
that speaks it). Vectors are numpy arrays from end to end. Settings, batching by rows and what is done with the
vectors live elsewhere; a refused input is reported, never dropped.
"""
