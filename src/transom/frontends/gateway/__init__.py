"""The gateway: what applications call over the network."""
