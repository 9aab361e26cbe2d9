"""Front ends speak a protocol and decide nothing."""
