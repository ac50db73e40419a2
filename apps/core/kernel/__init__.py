"""Pure tools shared by every app."""
