"""What goes wrong in the lab: one error, whose message names the remedy."""


class LabError(Exception):
    """The lab could not do what a test asked of it."""
