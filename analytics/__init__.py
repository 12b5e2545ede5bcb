"""What happened: results in the history, the views over them, and the commands that ask."""
