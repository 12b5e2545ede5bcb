"""Text that survives scontrol unchanged (stand-in until the wall is merged)."""

from slurm_hooks.oneline import one_line


def safe_text(text: str, limit: int) -> str:
    """Return printable ASCII."""
    ascii_only = "".join(c if " " <= c <= "~" else " " for c in text)
    return one_line(ascii_only.replace('"', "'").replace("\\", "/"), limit)
