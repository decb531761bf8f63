"""The block library: pure pieces of a workflow, and the contract they obey."""
