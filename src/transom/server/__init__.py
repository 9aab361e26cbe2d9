"""The process: settings, listeners, logs and the wiring of everything below."""
