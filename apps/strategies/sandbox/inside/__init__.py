"""What is copied into the sandbox and runs there: no Django, no lab, only the standard library."""
