"""The messengers: SMTP for mail, an HTTP provider for text messages and calls, the demo's inbox."""
