"""What stops the bot with one line for its operator."""


class StartError(Exception):
    """The bot cannot run as it is set up; the text says what to do. Exit code 2."""
