"""The kinds of factor, one class each."""
