"""What to check and when: definitions, programs, selection and planning."""
