"""The vocabulary: every name, message and error that two processes must agree on. It imports nothing else of ours."""
