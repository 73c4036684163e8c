"""The laws of the design, each with a test that fails without it; and what these tests share: a deployment, doubles."""
