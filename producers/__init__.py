"""Who asks: webhooks and scanner stations."""
