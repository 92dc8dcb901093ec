"""Messages about what happened, to the channels that want them: mail and webhooks."""
