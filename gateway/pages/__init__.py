"""Pages for people: rendered here, in the language and time zone of the reader, over the same ledger as the HTTP API.

What lives here: one module for each page, templates, the words of each language, our style sheet and scripts.
What never does: a decision about documents, SQL, a script or style inside a page.
"""
