"""The life of documents as a machine: random sequences of everything that can happen to them, and a model of the truth.

`files` says what a file means, `model` what must then be live, `world` does it to a real Rowline, `agreement` compares,
`machine` draws the sequences. `python -m tests.life --sequences 500` is the long run.
"""
