"""What several commands use to steer colors: options and files of hints and of text."""
