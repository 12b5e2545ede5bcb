"""Numbers that the documentation states, measured again by ``make bench``."""
