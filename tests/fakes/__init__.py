"""Stand-ins for outside things, held to the real ones by contract tests."""
