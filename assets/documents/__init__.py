"""Documents: five assets per uploaded document, the checks on each, and the ops of the maintenance jobs."""
