"""The doctor: an executable check list of a deployment.

A check looks at one thing and gives a verdict in one sentence, with a remedy where one is needed. It changes nothing
but probes of its own, which it removes, and it never goes on from a premise that failed. Talking to services belongs to
`resources`; here is decided what their answers mean for a deployment.
"""
