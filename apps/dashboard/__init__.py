"""One look: the pages that join the apps."""
