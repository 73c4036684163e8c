"""Documents: five assets per uploaded document, the checks on each, and the jobs that maintain them."""
