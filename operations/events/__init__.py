"""Events in: what an app, a person or a page of ours sent is stored, and starts its functions from there."""
