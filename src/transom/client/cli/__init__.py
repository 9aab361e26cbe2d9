"""The firm's command, `transom`: what the SDK can do, from a shell."""
