"""Documents: five assets per uploaded document, and the checks on each."""
