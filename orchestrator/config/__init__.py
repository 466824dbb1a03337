"""From a config's text to frozen values."""
