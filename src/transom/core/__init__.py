"""The use cases: decide, act, record. Synchronous; called by front ends from worker threads."""
